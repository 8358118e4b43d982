package saga

import (
	"encoding/json"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// charge is a payment as the sandbox keeps it.
type charge struct {
	Request struct {
		InvoiceID string `json:"invoice_id"`
		Attempt   int    `json:"attempt"`
		Amount    int64  `json:"amount"`
	} `json:"request"`
	Status   string `json:"status"`
	Returned bool   `json:"returned"`
	Refunds  []struct {
		Amount int64 `json:"amount"`
	} `json:"refunds"`
}

const charges = `select data from objects where kind = 'sandbox_payment'`

// charges reads what the sandbox keeps, from the store itself.
func (s *shop) charges() (all []charge) {
	s.Helper()
	add := func(text string) error {
		var c charge
		err := json.Unmarshal([]byte(text), &c)
		all = append(all, c)
		return err
	}
	var err error
	if s.installation != nil {
		var conn *pgx.Conn
		if conn, err = pgx.Connect(s.Context(), s.installation.URL); err != nil {
			s.Fatal(err)
		}
		defer conn.Close(s.Context())
		var text string
		rows, _ := conn.Query(s.Context(), charges)
		_, err = pgx.ForEachRow(rows, []any{&text}, func() error { return add(text) })
	} else {
		var conn *sqlite.Conn
		if conn, err = sqlite.OpenConn(filepath.Join(s.options.Dir, "billfold.db"), sqlite.OpenReadOnly); err != nil {
			s.Fatal(err)
		}
		defer conn.Close()
		err = sqlitex.Execute(conn, charges, &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error { return add(stmt.ColumnText(0)) },
		})
	}
	if err != nil {
		s.Fatal(err)
	}
	return all
}

// checkCard holds that each attempt is one payment at the processor, which was charged
// once or not at all, and that a refund was given back once.
func (s *shop) checkCard(all []place) {
	s.Helper()
	made := map[string]int{}
	var charged, given, want, wantGiven int64
	for _, c := range s.charges() {
		if made[c.Request.InvoiceID]++; made[c.Request.InvoiceID] > 1 {
			s.Errorf("the card's processor has %d payments of invoice %s, want one", made[c.Request.InvoiceID], c.Request.InvoiceID)
		}
		if c.Status == "succeeded" && !c.Returned {
			charged += c.Request.Amount
		}
		for _, refund := range c.Refunds {
			given += refund.Amount
		}
	}
	for _, p := range all {
		switch {
		case p.method == "pm_sandbox_declined":
			continue
		case p.drive == "top up":
			want += topUp
		default:
			want += price - funds
		}
		if p.drive == "refund" {
			wantGiven += back * (price - funds) / price
		}
	}
	if charged != want || given != wantGiven {
		s.Errorf("the card was charged %d and got %d back, want %d and %d", charged, given, want, wantGiven)
	}
}
