package ledger_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/storetest"
)

var update = flag.Bool("update", false, "rewrite the outcomes in testdata/*.txt")

// TestScenarios plays the tables of testdata: one command a line, and after
// "=>" what must come of it. The commands are:
//
//	customer NAME                    the commands that follow are about NAME
//	now TIME, wait D, back D         set the clock, move it on, move it back
//	enable CUR, disable CUR          switch a currency of the business
//	credit CUR AMOUNT [WORDS]        paid, promotional, expires TIME or D, key K,
//	                                 reason R, reference ID, metadata JSON, by KEY,
//	                                 if-seq N, if-available N
//	debit CUR AMOUNT [WORDS]         the same words, and partial
//	post DIRECTION CUR AMOUNT WORDS  for directions that there are not
//	repeat N COMMAND                 the outcome is that of the last
//	sweep CUR                        write the expiry entries that are due, and say
//	                                 which lots they took
//	announce CUR D                   write the notices of what expires within D, and say
//	                                 of which lots and what they have left
//	reverse POSITION [AMOUNT] [WORDS]  undo the entry there, all of it or so much;
//	                                 partial, key K, reason R, if-seq N, if-available N
//	move CUR LOT TIME [WORDS]        when the lot expires, or never; key K, reason R
//	hold CUR AMOUNT for D [WORDS]    partial, key K, if-seq N, if-available N
//	capture HOLD [AMOUNT] [WORDS]    the first hold of the customer is 1; final, key K
//	release HOLD [WORDS]             key K
//	grace D                          what goes back to expired lots lives for so long
//	debts allowed, debts refused     what becomes of a reversal beyond its credit's lot
//	alerts CUR BELOW[:RECOVERY] ...  the wallet's own thresholds, default for none of its own
//	defaults CUR BELOW[:RECOVERY] ...  those of the business
//	freeze SCOPE WALLET REASON       all for the customer as a whole, or a currency
//	unfreeze WALLET REASON
//	audit POSITION                   the line of the audit trail
//	wallet CUR                       what stands in the wallet now
//	entry POSITION                   the entry as it is kept
//
// An accepted command answers with its position, the balance and what is
// available, the lots that a debit took, the entries that come with it, and the
// open lots in spend order, and which thresholds were crossed. A repeat answers
// "again" with the first entry. A refusal answers with its code and the field to
// blame. The laws are checked after every command.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("got %d scenario files and error %v, want at least 12", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			played := newTill(t).play(string(text))
			if *update {
				if err := os.WriteFile(file, []byte(played), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(played, "\n")); diff != "" {
				t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, diff)
			}
		})
	}
}

// shownMax is how many lots a line shows; of more it says the number.
const shownMax = 12

// till plays one scenario on a model store.
type till struct {
	*testing.T
	store    *storetest.Model
	clock    *storetest.Clock
	book     *ledger.Book
	tenant   ledger.Tenant
	customer string
	disabled map[money.Currency]bool
	posted   int
	grace    time.Duration
	debts    bool
	defaults ledger.Alerts // of the business
	quiet    bool          // outcomes are not asked for
}

func newTill(t *testing.T) *till {
	t.Helper()
	l := &till{
		T:        t,
		store:    storetest.NewModel(),
		clock:    storetest.NewClock(time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)),
		tenant:   ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test},
		disabled: map[money.Currency]bool{},
	}
	draws := uint64(0)
	l.book = ledger.NewBook(l.store, l.clock.Now, func() uint64 { draws++; return draws })
	err := l.store.CreateBusiness(t.Context(), access.Business{ID: "bus_1"}, access.Settings{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.switchTo("somebody")
	return l
}

// play returns the text with the outcome of every command put in.
func (l *till) play(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		command, _, asked := strings.Cut(line, "=>")
		if strings.TrimSpace(command) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		outcome := l.do(words(l.T, command))
		if asked != (outcome != "") {
			l.Fatalf("line %d, %q: got outcome %q, want one exactly where there is a =>", i+1, line, outcome)
		}
		if asked {
			lines[i] = command + "=> " + outcome
		}
		if l.posted < 1000 {
			l.checkLaws(i + 1)
		}
	}
	l.checkLaws(len(lines))
	return strings.Join(lines, "\n")
}

// checkLaws checks the customer's whole history. Of long ones that takes a
// while, so it is not done after every line of a long scenario.
func (l *till) checkLaws(line int) {
	l.Helper()
	h, err := storetest.ReadHistory(l.Context(), l.store, l.tenant, l.customer)
	if err != nil {
		l.Fatal(err)
	}
	for _, violation := range storetest.CheckLaws(h) {
		l.Errorf("line %d: %s", line, violation)
	}
}

// words splits a command at blanks; a word may be quoted as in Go.
func words(t *testing.T, command string) []string {
	t.Helper()
	var words []string
	for rest := strings.TrimSpace(command); rest != ""; rest = strings.TrimSpace(rest) {
		word, after, _ := strings.Cut(rest, " ")
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			after = rest[len(quoted):]
			if word, err = strconv.Unquote(quoted); err != nil {
				t.Fatalf("command %q: %v", command, err)
			}
		}
		words, rest = append(words, word), after
	}
	return words
}

// do runs one command and returns its outcome.
func (l *till) do(words []string) string {
	switch verb, rest := words[0], words[1:]; verb {
	case "customer":
		l.switchTo(rest[0])
	case "now":
		l.clock.Set(l.time(rest[0]))
	case "wait":
		l.clock.Move(l.duration(rest[0]))
	case "back":
		l.clock.Move(-l.duration(rest[0]))
	case "enable", "disable":
		l.disabled[money.Currency(rest[0])] = verb == "disable"
	case "credit", "debit":
		return l.post(words)
	case "post":
		return l.post(rest)
	case "repeat":
		l.quiet = true
		for range l.number(rest[0]) - 1 {
			l.do(rest[1:])
		}
		l.quiet = false
		return l.do(rest[1:])
	case "grace":
		l.grace = l.duration(rest[0])
	case "debts":
		l.debts = rest[0] == "allowed"
	case "alerts", "defaults":
		l.alerts(verb, money.Currency(rest[0]), rest[1:])
	case "reverse":
		return l.reverse(rest)
	case "move":
		return l.move(rest)
	case "hold":
		return l.hold(rest)
	case "capture":
		return l.capture(rest)
	case "release":
		return l.release(rest)
	case "sweep":
		return l.sweep(money.Currency(rest[0]))
	case "announce":
		return l.announce(money.Currency(rest[0]), l.duration(rest[1]))
	case "freeze":
		scope, currency := ledger.FreezeScope(rest[0]), money.Currency(rest[1])
		return l.freeze(ledger.FreezeRequest{Scope: scope, Currency: currency, Reason: rest[2]})
	case "unfreeze":
		return l.freeze(ledger.FreezeRequest{Lift: true, Currency: money.Currency(rest[0]), Reason: rest[1]})
	case "audit":
		return l.audit(l.number(rest[0]))
	case "wallet":
		return l.wallet(money.Currency(rest[0]), false)
	case "entry":
		return l.entry(l.number(rest[0]))
	default:
		l.Fatalf("unknown command %q", words)
	}
	return ""
}

func (l *till) switchTo(name string) {
	l.Helper()
	l.customer = "cus_" + name
	if _, err := l.store.Customer(l.Context(), l.tenant, l.customer); err == nil {
		return
	}
	now := l.clock.Now()
	c := ledger.Customer{Tenant: l.tenant, ID: l.customer, Name: name, Metadata: "{}", CreatedAt: now, UpdatedAt: now}
	if _, err := l.store.CreateCustomer(l.Context(), c, nil); err != nil {
		l.Fatal(err)
	}
}

func (l *till) post(words []string) string {
	r := ledger.PostRequest{
		Tenant:     l.tenant,
		CustomerID: l.customer,
		Direction:  ledger.Direction(words[0]),
		Currency:   money.Currency(words[1]),
		Amount:     money.Amount(l.number(words[2])),
		CreatedBy:  "key_1",
	}
	r.CurrencyEnabled, r.DefaultAlerts = !l.disabled[r.Currency], l.defaults
	for i := 3; i < len(words); i++ {
		if words[i] == "paid" || words[i] == "promotional" || words[i] == "loan" {
			r.Category = ledger.Category(words[i])
			continue
		}
		if words[i] == "partial" {
			r.AllowPartial = true
			continue
		}
		if i+1 == len(words) {
			l.Fatalf("command %q: the word %q stands alone", words, words[i])
		}
		switch name, value := words[i], words[i+1]; name {
		case "expires":
			r.ExpiresAt = l.time(value)
		case "key":
			r.IdempotencyKey = value
		case "reason":
			r.Reason = value
		case "reference":
			r.ReferenceObjectID = value
		case "metadata":
			r.Metadata = value
		case "if-seq":
			seq := l.number(value)
			r.Conditions.IfSeq = &seq
		case "if-available":
			least := money.Amount(l.number(value))
			r.Conditions.IfAvailableAtLeast = &least
		case "by":
			r.CreatedBy = value
		default:
			l.Fatalf("command %q: unknown word %q", words, name)
		}
		i++
	}
	l.posted++
	change, err := l.book.Post(l.Context(), r)
	if err != nil {
		return refusal(err)
	}
	return l.outcome(change, "took")
}

// reverse undoes the entry at a position.
func (l *till) reverse(words []string) string {
	r := ledger.ReverseRequest{
		Tenant: l.tenant, CustomerID: l.customer, EntryID: l.at(l.number(words[0])).ID, CreatedBy: "key_1", Grace: l.grace,
		AllowDebt: l.debts, DefaultAlerts: l.defaults,
	}
	for rest := words[1:]; len(rest) > 0; rest = rest[1:] {
		if rest[0] == "partial" {
			r.AllowPartial = true
			continue
		}
		if len(rest) == 1 || rest[0][0] <= '9' {
			amount := money.Amount(l.number(rest[0]))
			r.Amount = &amount
			continue
		}
		switch name, value := rest[0], rest[1]; name {
		case "key":
			r.IdempotencyKey = value
		case "reason":
			r.Reason = value
		case "if-seq":
			seq := l.number(value)
			r.Conditions.IfSeq = &seq
		case "if-available":
			least := money.Amount(l.number(value))
			r.Conditions.IfAvailableAtLeast = &least
		default:
			l.Fatalf("reverse %q: unknown word %q", words, name)
		}
		rest = rest[1:]
	}
	l.posted++
	change, err := l.book.Reverse(l.Context(), r)
	if err != nil {
		return refusal(err)
	}
	if change.Entry.Direction == ledger.Debit {
		return l.outcome(change, "took back")
	}
	return l.outcome(change, "gave back")
}

// outcome shows an accepted change. Verb says what it did to the lots that its
// entry names.
func (l *till) outcome(change ledger.Change, verb string) string {
	outcome := fmt.Sprintf("ok #%d", change.Entry.Position)
	if change.Lent != nil {
		outcome = fmt.Sprintf("lent %d #%d then #%d", change.Entry.Owed(), change.Lent.Position, change.Entry.Position)
	}
	if change.Replayed {
		return fmt.Sprintf("again #%d balance %d available %d", change.Entry.Position, change.Wallet.Balance, change.Entry.Available)
	}
	if answer := change.Answer(); answer.Balance != change.Entry.After || answer.Seq != change.Entry.Seq {
		l.Errorf("got answer %+v, want it to agree with entry %+v", answer, change.Entry)
	}
	if l.quiet {
		return outcome
	}
	outcome += parts(verb, change.Entry.Allocations)
	crossed := told(change.Entry.Alerts)
	for _, e := range change.Follows {
		outcome += fmt.Sprintf(" then #%d", e.Position) + parts("took", e.Allocations)
		crossed += told(e.Alerts)
	}
	return outcome + " " + l.wallet(change.Entry.Currency, true) + crossed
}

// parts shows what an entry did to the lots that it names.
func parts(verb string, parts []ledger.Allocation) string {
	if len(parts) == 0 {
		return ""
	}
	if len(parts) > shownMax {
		return fmt.Sprintf(" %s %d lots", verb, len(parts))
	}
	outcome := " " + verb
	for _, part := range parts {
		outcome += fmt.Sprintf(" %d:%d", part.LotSeq, part.Amount)
	}
	return outcome
}

// sweep says what it wrote: each entry with its lot, and the wallet afterwards.
func (l *till) sweep(currency money.Currency) string {
	l.posted++
	key := ledger.WalletKey{Tenant: l.tenant, CustomerID: l.customer, Currency: currency}
	ended, happened := l.ended(), len(l.holdEvents(0))
	written, err := l.book.Sweep(l.Context(), key, l.clock.Now(), 1000)
	if err != nil {
		return refusal(err)
	}
	if written == 0 {
		return "nothing"
	}
	outcome, crossed := "", ""
	if ended = l.ended() - ended; ended > 0 {
		outcome = fmt.Sprintf("%d held no longer, ", ended)
	}
	for _, e := range l.holdEvents(happened) {
		crossed += told(e.Alerts)
	}
	if written -= ended; written == 0 {
		return outcome + l.wallet(currency, true) + crossed
	}
	list, err := l.store.Entries(l.Context(), l.tenant, l.customer, ledger.EntryFilter{}, ledger.Page{Limit: written})
	if err != nil || len(list.Entries) != written {
		l.Fatalf("entries of a sweep: got %d and error %v, want %d", len(list.Entries), err, written)
	}
	for _, e := range slices.Backward(list.Entries) {
		outcome += fmt.Sprintf("#%d took", e.Position)
		for _, part := range e.Allocations {
			outcome += fmt.Sprintf(" %d:%d ", part.LotSeq, part.Amount)
		}
		crossed += told(e.Alerts)
	}
	return outcome + l.wallet(currency, true) + crossed
}

// freeze says what is frozen then, and in which line of the trail it stands.
func (l *till) freeze(r ledger.FreezeRequest) string {
	r.Tenant, r.CustomerID, r.By = l.tenant, l.customer, ledger.Actor{KeyID: "key_1", Address: "192.0.2.1"}
	if r.Currency == "all" {
		r.Currency = ""
	}
	before, err := l.store.Customer(l.Context(), l.tenant, l.customer)
	if err != nil {
		l.Fatal(err)
	}
	after, _, err := l.book.Freeze(l.Context(), r, nil)
	if err != nil {
		return refusal(err)
	}
	outcome := "as it was:"
	if after.Audit != before.Audit {
		outcome = fmt.Sprintf("line %d:", after.Audit.Position)
	}
	list, ok := after.Freezes.List()
	if !ok || len(list) == 0 {
		return outcome + " nothing frozen"
	}
	for _, freeze := range list {
		wallet := string(freeze.Currency)
		if wallet == "" {
			wallet = "all"
		}
		outcome += fmt.Sprintf(" %s of %s since %s (%s)", freeze.Scope, wallet, shown(freeze.At), freeze.Reason)
	}
	return outcome
}

// audit shows a line of the trail without the ids of other lines.
func (l *till) audit(position int64) string {
	list, err := l.store.Audit(l.Context(), l.tenant, l.customer, ledger.AuditPage{Limit: 1, Before: position + 1})
	if err != nil || len(list.Entries) != 1 || list.Entries[0].Position != position {
		l.Fatalf("line %d: got %+v and error %v, want it", position, list, err)
	}
	line := list.Entries[0]
	ids := regexp.MustCompile(`"aud_[0-9A-Za-z]{21}"`)
	return fmt.Sprintf("%s %s by %s at %s, reason %s: from %s to %s", shown(line.CreatedAt), line.Action, line.By.KeyID, line.By.Address,
		line.Reason, ids.ReplaceAllString(line.Before, `"…"`), ids.ReplaceAllString(line.After, `"…"`))
}

func refusal(err error) string {
	var ours *ledger.Error
	if !errors.As(err, &ours) {
		return err.Error()
	}
	outcome := string(ours.Code)
	if ours.Param != "" {
		outcome += " (" + ours.Param + ")"
	}
	if ours.Wallet != nil {
		outcome += fmt.Sprintf(" seq %d balance %d available %d", ours.Wallet.Seq, ours.Wallet.Balance, ours.Available)
	}
	if !ours.FirstAt.IsZero() {
		outcome += " first used " + shown(ours.FirstAt)
	}
	return outcome
}

// wallet shows a wallet at the time that counts for the customer. Lots are
// left out when there are too many to read.
func (l *till) wallet(currency money.Currency, moved bool) string {
	scope := ledger.Scope{Tenant: l.tenant, CustomerID: l.customer, Currency: currency, Need: ledger.NeedAll}
	s, err := storetest.Peek(l.Context(), l.store, scope)
	if err != nil {
		l.Fatal(err)
	}
	at := s.Chain.At(l.clock.Now())
	outcome := fmt.Sprintf("balance %d available %d", s.Wallet.Balance, s.Wallet.Available(at))
	if s.Wallet.Held > 0 {
		outcome += fmt.Sprintf(" held %d", s.Wallet.Held)
	}
	if s.Wallet.Debt > 0 {
		outcome += fmt.Sprintf(" owed %d", s.Wallet.Debt)
	}
	if len(s.Wallet.Lots) > shownMax {
		return outcome + fmt.Sprintf(" in %d lots", len(s.Wallet.Lots))
	}
	if len(s.Wallet.Lots) > 0 {
		outcome += " lots"
	}
	for _, lot := range s.Wallet.Lots {
		outcome += fmt.Sprintf(" %d:%d", lot.Seq, lot.Remaining)
		if lot.ExpiredAt(at) {
			outcome += "(expired)"
		}
	}
	if !moved && s.Wallet.Seq == 0 {
		outcome += " without entries"
	}
	return outcome
}

// at is the entry at a position.
func (l *till) at(position int64) ledger.Entry {
	l.Helper()
	list, err := l.store.Entries(l.Context(), l.tenant, l.customer, ledger.EntryFilter{},
		ledger.Page{Limit: 1, Before: position + 1})
	if err != nil || len(list.Entries) != 1 || list.Entries[0].Position != position {
		l.Fatalf("entry %d: got %+v and error %v, want it", position, list, err)
	}
	return list.Entries[0]
}

func (l *till) entry(position int64) string {
	e := l.at(position)
	outcome := fmt.Sprintf("%s %s seq %d: %s %d from %d to %d against %s", shown(e.CreatedAt), e.Currency, e.Seq, e.Direction, e.Amount, e.Before, e.After, e.Account)
	for _, field := range []struct{ name, value string }{
		{"", string(e.Category)}, {"expires ", shown(e.ExpiresAt)}, {"key ", e.IdempotencyKey}, {"reason ", e.Reason},
		{"reference ", e.ReferenceObjectID}, {"metadata ", strings.TrimPrefix(e.Metadata, "{}")}, {"by ", e.CreatedBy},
		{"reverses ", strings.TrimPrefix(e.Reverses, "cwt_")}, {"captures ", strings.TrimPrefix(e.HoldID, "hld_")},
	} {
		if field.value != "" {
			outcome += ", " + field.name + field.value
		}
	}
	return outcome
}

// shown is a time in the words of the tables, "" for none.
func shown(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strings.Replace(t.Format("2006-01-02T15:04:05.999999"), "T00:00:00", "", 1)
}

func (l *till) number(text string) int64 {
	n, err := strconv.ParseInt(strings.ReplaceAll(text, ",", ""), 10, 64)
	if err != nil {
		l.Fatal(err)
	}
	return n
}

func (l *till) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		l.Fatal(err)
	}
	return d
}

// time reads a date, a date and time of UTC, or a duration from now such as
// +1m or -1h.
func (l *till) time(text string) time.Time {
	if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
		return l.clock.Now().Add(l.duration(text))
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	l.Fatalf("%q is not a time", text)
	return time.Time{}
}
