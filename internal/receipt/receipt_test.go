package receipt_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/paper/papertest"
	"github.com/billfold/billfold/internal/receipt"
)

var issued = time.Date(2026, 3, 1, 12, 30, 15, 0, time.UTC)

func parties() receipt.Parties {
	return receipt.Parties{
		BusinessName: "Acme", CustomerID: "cus_jane", CustomerName: "Zoë Doe", CustomerEmail: "zoe@example.com",
		Address: []string{"1 High Street", "560001 Bengaluru", "KA IN"},
	}
}

func invoice() *receipt.Invoice {
	return &receipt.Invoice{
		Parties: parties(), InvoiceID: "inv_1", PaymentID: "pay_1", SubscriptionID: "sub_1", Currency: "INR", Status: "succeeded",
		Issued: issued, PaidAt: issued.Add(time.Minute), Made: issued.Add(time.Hour),
		Lines: []receipt.Line{
			{Name: "Course", Description: "Accounting for all", Quantity: 3, Amount: 150_000},
			{Name: "Unused time", Amount: -50_000},
		},
		Total: 100_000, Wallet: 40_000, Promotional: 15_000, Card: 60_050, Credited: 50, CardDigits: "4242",
		Refunds: []receipt.Refund{{ID: "ref_1", Made: issued.Add(time.Hour), Status: "succeeded", Amount: 12_345}},
	}
}

func note() *receipt.CreditNote {
	return &receipt.CreditNote{
		Parties: parties(), RefundID: "ref_1", PaymentID: "pay_1", InvoiceID: "inv_1", Currency: "INR", Status: "succeeded",
		Reason: "It arrived broken", Issued: issued, Made: issued, ToWallet: 4_000, ToCard: 8_345, CardDigits: "4242",
		Lines: []receipt.Line{{Name: "Course", Amount: 12_345}},
	}
}

// written is a document as it is written, twice the same.
func written(t *testing.T, write func() ([]byte, error)) papertest.Document {
	t.Helper()
	file, err := write()
	if err != nil {
		t.Fatalf("write: got error %v, want none", err)
	}
	if again, err := write(); err != nil || !bytes.Equal(file, again) {
		t.Errorf("the same document twice: got error %v and equal %t, want equal files", err, bytes.Equal(file, again))
	}
	return papertest.Read(t, file)
}

func TestInvoice(t *testing.T) {
	t.Parallel()
	d := written(t, invoice().PDF)
	for _, text := range []string{
		"Invoice", "Acme", "Zoë Doe · zoe@example.com", "cus_jane", "1 High Street", "560001 Bengaluru", "KA IN", "inv_1", "pay_1", "sub_1",
		"succeeded", "2026-03-01 12:30:15 UTC", "2026-03-01 12:31:15 UTC", "Course · Accounting for all", "3", "₹1500.00",
		"Unused time", "-₹500.00", "Total", "₹1000.00", "Paid from the wallet", "₹250.00", "Paid from the wallet, promotional money",
		"₹150.00", "Paid by card ending in 4242", "₹600.50", "Credited to the wallet of what the card has paid", "₹0.50",
		"Refund ref_1 of 2026-03-01, succeeded", "-₹123.45", "page 1",
	} {
		if !d.Shows(text) {
			t.Errorf("%q is not written", text)
		}
	}
	for _, r := range "₹-0ë" {
		if d.Outline(t, r) == 0 {
			t.Errorf("the embedded font has no outline for %q", r)
		}
	}
}

// What is not paid says nothing of who has paid.
func TestInvoiceThatIsNotPaid(t *testing.T) {
	t.Parallel()
	i := invoice()
	i.Status, i.PaidAt = "requires_payment_method", time.Time{}
	d := written(t, i.PDF)
	if !d.Shows("requires payment method") || !d.Shows("Total") || d.Shows("Paid") || d.Shows("Refund") {
		t.Error("got an invoice that says how it was paid, want one that is not")
	}
}

func TestWalletLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		wallet, promotional  money.Amount
		paidLine, giftedLine bool
	}{{0, 0, false, false}, {500, 0, true, false}, {500, 500, false, true}, {500, 200, true, true}} {
		i := invoice()
		i.Wallet, i.Promotional = test.wallet, test.promotional
		d := written(t, i.PDF)
		gifted := d.Shows("Paid from the wallet, promotional money")
		paid := d.Shows(money.Display(test.wallet-test.promotional, "INR")) && d.Shows("Paid from the wallet")
		if gifted != test.giftedLine || paid != test.paidLine && !gifted {
			t.Errorf("%+v: got lines of paid money %t and promotional %t", test, paid, gifted)
		}
	}
}

func TestCreditNote(t *testing.T) {
	t.Parallel()
	d := written(t, note().PDF)
	for _, text := range []string{
		"Credit note", "Acme", "Zoë Doe · zoe@example.com", "ref_1", "pay_1", "inv_1", "It arrived broken", "Course", "Total refunded",
		"₹123.45", "To the wallet", "₹40.00", "To the card ending in 4242", "₹83.45",
	} {
		if !d.Shows(text) {
			t.Errorf("%q is not written", text)
		}
	}
}

// Whatever stands in the texts, there is a document, and nothing turns its order around
// or goes on behind its column.
func TestAnyText(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"right to left": "\u202Eעברית\u2066", "control characters": "\x00\x01\x1b[31m\x7f\u0085", "Devanagari": "नमस्ते दुनिया",
		"10 kB": strings.Repeat("Pneumonoultramicroscopic", 420), "10 kB of spaces": strings.Repeat(" ", 10_000),
		"beyond the planes": strings.Repeat("😀\U0010FFFF", 100), "PDF": `) Tj ET endstream %%EOF \(`, "not UTF-8": "\xff\xfe",
	} {
		i, n := invoice(), note()
		i.BusinessName, i.CustomerName, i.CustomerEmail, i.Address = text, text, text, []string{text, text}
		i.Lines = []receipt.Line{{Name: text, Description: text, Quantity: 1, Amount: 1}}
		n.Parties, n.Reason, n.Lines = i.Parties, text, i.Lines
		for _, d := range []papertest.Document{written(t, i.PDF), written(t, n.PDF)} {
			if d.Shows("\u202E") || d.Shows("\x1b") || d.Shows(strings.Repeat("Pneumonoultramicroscopic", 6)) {
				t.Errorf("%s: a text is not written harmlessly", name)
			}
			if !d.Shows("page 1") || d.Shows("page 60") {
				t.Errorf("%s: got %d pages", name, len(d.Pages))
			}
		}
	}
}

// An invoice holds 256 KiB at the most, however it is filled.
func TestLongInvoice(t *testing.T) {
	t.Parallel()
	i := invoice()
	i.Lines = nil
	for range 4000 {
		i.Lines = append(i.Lines, receipt.Line{Name: "x", Description: strings.Repeat("y", 40), Quantity: 1, Amount: 1})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	file, err := i.PDF()
	runtime.ReadMemStats(&after)
	if err != nil || len(file) > 2<<20 {
		t.Errorf("got %d bytes and error %v, want at most 2 MiB", len(file), err)
	}
	if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 200 {
		t.Errorf("got %d MiB allocated, want at most 200", allocated)
	}
	t.Logf("%d bytes, %d MiB allocated", len(file), (after.TotalAlloc-before.TotalAlloc)>>20)
}
