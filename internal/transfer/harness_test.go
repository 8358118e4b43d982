package transfer_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/demo"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/transfer"
	"github.com/billfold/billfold/internal/vault"
	"github.com/billfold/billfold/internal/verify"
	"github.com/billfold/billfold/internal/webhook"
)

var plantsFlag = flag.Bool("plants-everywhere", false, "plant each bug in a copy in either store, and not in turn in one of the two")

var cutsFlag = flag.Int("cuts", 12, "how often a copy is stopped, in each direction")

var (
	cluster *pgtest.Cluster
	made    string // where the data directories are that tests copy
	wholes  sync.Once
	smalls  sync.Once
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "billfold-transfer-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	made = filepath.Join(dir, "made")
	cluster, err = pgtest.New(filepath.Join(dir, "data"), "max_connections=200")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = cluster.Signal(syscall.SIGQUIT) }()
	return m.Run()
}

var secretCheck = postgres.SecretCheck(make([]byte, 32))

// began is when the installation of the tests was made.
var began = time.Date(2026, time.March, 1, 12, 0, 0, 123_457_000, time.UTC)

// store is an open store of either kind.
type store interface {
	ledger.Store
	access.Store
	catalog.Store
	people.Store
	webhook.Store
	Close() error
}

func openEmbedded(t testing.TB, dir string) store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, LotsInRow: 2})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func openPostgres(t testing.TB, url string) store {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, ConnectionsMax: 4, LotsInRow: 2})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func closing(t testing.TB, name string, close func() error) {
	t.Helper()
	if err := close(); err != nil {
		t.Errorf("close the %s: %v", name, err)
	}
}

// installation returns a data directory of the test's own with everything that
// an installation can hold. It is made once.
func installation(t *testing.T) (dir string) {
	t.Helper()
	whole := filepath.Join(made, "whole")
	wholes.Do(func() {
		db := openEmbedded(t, whole)
		storetest.RunMachine(t, func(testing.TB) storetest.Stores { return storetest.Stores{Ledger: db, Access: db} })
		fill(t, db)
		closing(t, "store", db.Close)
	})
	return copyOf(t, whole)
}

// smallInstallation is installation without the businesses of the machine, for
// tests that copy it many times.
func smallInstallation(t *testing.T) (dir string) {
	t.Helper()
	small := filepath.Join(made, "small")
	smalls.Do(func() {
		db := openEmbedded(t, small)
		fill(t, db)
		closing(t, "store", db.Close)
	})
	return copyOf(t, small)
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	own := filepath.Join(t.TempDir(), "source")
	if err := os.CopyFS(own, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return own
}

// fill adds what the machine does not: keys of every kind, settings, answers to
// requests, long wallets, texts that are hard to carry, and months of trade.
func fill(t testing.TB, db store) {
	t.Helper()
	business := access.Business{ID: "bus_fill", Name: "Zoë's \"Filling\" Öl & Söhne", CreatedAt: began}
	test := ledger.Tenant{BusinessID: business.ID, Mode: ledger.Test}
	live := ledger.Tenant{BusinessID: business.ID, Mode: ledger.Live}
	keys := []access.Key{keyOf("key_1", test, time.Time{}), keyOf("key_0", live, began.Add(time.Hour))}
	must(t, db.CreateBusiness(t.Context(), business, access.DefaultSettings(), keys))
	must(t, db.CreateKey(t.Context(), keyOf("key_9", live, time.Time{})))
	must(t, db.CreateKey(t.Context(), keyOf("key_5", test, began.Add(time.Microsecond))))
	_, err := db.RevokeKey(t.Context(), "key_9", began.Add(3*time.Microsecond))
	must(t, err)
	change := access.Change{Moment: ledger.Moment{Now: began.Add(4 * time.Microsecond)}}
	_, err = db.UpdateSettings(t.Context(), live, change, func(s access.Settings) (access.Settings, error) {
		s.Currencies = append(s.Currencies, "JPY")
		return s, nil
	})
	must(t, err)
	fillProducts(t, db, test, change)
	fillPeople(t, db, business.ID)
	fillWebhooks(t, db, test)
	fillCustomers(t, db, test, live)
	freezeSome(t, db, test, "key_1")
	freezeSome(t, db, live, "key_9")
	_, err = demo.Run(t.Context(), demo.Config{Store: db, Tenant: test, Now: began, Months: 5, Customers: 40, Seed: 7})
	must(t, err)
}

// fillProducts adds a product with each of the texts, of which some are archived.
func fillProducts(t testing.TB, db store, tenant ledger.Tenant, by access.Change) {
	t.Helper()
	for i, text := range texts {
		product := catalog.Product{
			Tenant: tenant, ID: fmt.Sprintf("pdt_%d", i), Name: text, Description: text, TaxCategory: "saas", Metadata: metadata(text),
			Price: billing.Price{Kind: billing.OneTimePrice, Currency: "USD", Amount: 1000}, CreatedAt: began, UpdatedAt: began,
		}
		_, err := db.CreateProduct(t.Context(), product, by, nil, nil)
		must(t, err)
		_, err = db.UpdateProduct(t.Context(), tenant, product.ID, by, func(p *catalog.Product) error {
			if i%3 == 0 {
				p.ArchivedAt = began.Add(time.Hour)
			}
			return nil
		})
		must(t, err)
	}
}

// fillPeople adds a team of one who has invited another, and records with texts that are hard
// to carry, some of which end.
func fillPeople(t testing.TB, db store, businessID string) {
	t.Helper()
	sealing, err := vault.New([]byte("a secret of the tests, long enough"))
	must(t, err)
	desk := people.NewDesk(db, sealing, people.Options{Now: func() time.Time { return began.Add(time.Second) }})
	token, err := desk.Welcome(t.Context(), businessID)
	must(t, err)
	user, err := desk.Join(t.Context(), token, people.Joining{
		Email: "zoë@example.com", Name: "Zoë <b>", Password: "correct horse battery",
	})
	must(t, err)
	_, _, err = desk.Invite(t.Context(), user, ledger.Actor{KeyID: user.ID}, businessID, "öl@example.com", people.Support)
	must(t, err)
	var keys []people.Key
	var put []people.Record
	for i, text := range texts {
		for _, kind := range []people.Kind{people.TriesRecord, people.SessionRecord} {
			r := people.Record{Key: people.Key{Kind: kind, ID: fmt.Sprintf("%d", i)}, About: text, Data: metadata(text)}
			if kind == people.SessionRecord {
				r.ExpiresAt = began.Add(time.Duration(i+1) * time.Microsecond)
			}
			keys, put = append(keys, r.Key), append(put, r)
		}
	}
	err = db.ChangePeople(t.Context(), keys, began, func(map[people.Key]*people.Record) (people.Change, error) {
		return people.Change{Put: put}, nil
	})
	must(t, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func keyOf(id string, tenant ledger.Tenant, expires time.Time) access.Key {
	return access.Key{
		ID: id, Tenant: tenant, Name: "Key " + id + " ✓", Scope: access.Read, Hash: sha256.Sum256([]byte(id)),
		Hint: "bf_…" + id, CreatedAt: began, ExpiresAt: expires,
	}
}

// texts are hard to carry: composed and decomposed letters, right-to-left marks,
// characters beyond the first plane, what other encodings stumble over.
var texts = []string{
	"Zoë", "Zoe\u0308", "\u202eeolz\u202c", "🦊 𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "back\\slash \\N \\. \\u0041", "quote ' \" `", "\u00a0\u2028\u2029", "İıſK",
}

// metadata is canonical JSON around a text.
func metadata(text string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
	return `{"a":"` + escaped + `","empty":"","nul":"\u0000"}`
}

// fillCustomers adds customers with answers to their requests, and wallets that
// are long, have lots of each kind, and were debited.
func fillCustomers(t testing.TB, db store, test, live ledger.Tenant) {
	t.Helper()
	book := ledger.NewBook(db, func() time.Time { return began }, rand.Uint64)
	for i, text := range texts {
		tenant, key := test, "key_1"
		if i%3 == 0 {
			tenant, key = live, "key_9"
		}
		customer := ledger.Customer{
			Tenant: tenant, ID: ledger.NewID("cus_", began.Add(-time.Duration(i)*time.Hour), [2]uint64{uint64(i), 1}),
			Email: fmt.Sprintf("c%d@example.com", i), Name: text, PhoneNumber: "+14155552671", Metadata: metadata(text),
			CreatedAt: began, UpdatedAt: began.Add(time.Microsecond),
		}
		once := onceOf(tenant, "POST /customers", "key "+text)
		if i%2 == 0 {
			once.KeepUntil = began.Add(24*time.Hour + time.Microsecond)
		}
		_, err := db.CreateCustomer(t.Context(), customer, once)
		must(t, err)
		for n := range 70 + 40*i {
			request := ledger.PostRequest{
				Tenant: tenant, CustomerID: customer.ID, Currency: "USD", Direction: ledger.Credit, Amount: 100,
				Reason: text, ReferenceObjectID: text, Metadata: metadata(text), CreatedBy: key, CurrencyEnabled: true, DefaultAlerts: "USD\t200:300 100000:100000\n",
				IdempotencyKey: fmt.Sprintf("%s %d", text, n),
			}
			switch n % 7 {
			case 1:
				request.Category = ledger.Promotional
			case 2:
				request.ExpiresAt = began.Add(time.Duration(n) * time.Hour)
			case 3:
				request.Currency, request.IdempotencyKey, request.Metadata = "INR", "", ""
			case 4:
				request.Direction, request.Amount, request.ReferenceObjectID = ledger.Debit, 150, ""
			}
			_, err := book.Post(t.Context(), request)
			must(t, err)
		}
		holdSome(t, book, customer, text, key)
		for n := range 10 + i { // more lots that can expire than stand in a wallet's row
			request := ledger.PostRequest{
				Tenant: tenant, CustomerID: customer.ID, Currency: "USD", Direction: ledger.Credit, Amount: 100, CreatedBy: key,
				CurrencyEnabled: true, ExpiresAt: began.Add(time.Duration(1000-n) * time.Hour), Category: ledger.Promotional,
				DefaultAlerts: "USD\t200:300 100000:100000\n",
			}
			_, err := book.Post(t.Context(), request)
			must(t, err)
		}
		// All but the last few of them are announced.
		due := ledger.DueNotices{
			Wallet: ledger.WalletKey{Tenant: tenant, CustomerID: customer.ID, Currency: "USD"}, Until: began.Add(995 * time.Hour),
		}
		if written, err := book.Announce(t.Context(), due, began, 1000); err != nil || written == 0 {
			t.Fatalf("announce: got %d notices and error %v, want some", written, err)
		}
		oweSome(t, book, customer, key)
		putSome(t, db, customer, text)
	}
}

// putSome makes objects of a customer, and changes some.
func putSome(t testing.TB, db store, c ledger.Customer, text string) {
	t.Helper()
	for n := range 5 {
		key := ledger.ObjectKey{Kind: []ledger.ObjectKind{"parcel", "payment"}[n%2], ID: fmt.Sprintf("o_%d %s", n/2, text)}
		scope := ledger.Scope{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", At: began, Objects: []ledger.ObjectKey{key}}
		for version := range 1 + n%3 {
			_, err := db.Transact(t.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
				change := ledger.Change{Wallet: s.Wallet}
				next := ledger.Object{ObjectKey: key, State: text, Data: metadata(text)}
				if version%2 == 0 {
					next.DueAt = began.Add(time.Duration(n) * time.Hour)
				}
				return change, change.Put(&s, next, "payment.succeeded", `{"payload_type":"Payment"}`, began)
			})
			must(t, err)
		}
	}
}

// holdSome promises money of a customer: some is captured, some released, and some
// stays held.
func holdSome(t testing.TB, book *ledger.Book, c ledger.Customer, text, key string) {
	t.Helper()
	for n := range 4 {
		request := ledger.HoldRequest{
			Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Amount: 250, ExpiresAt: began.Add(time.Hour), Reason: text,
			Metadata: metadata(text), CreatedBy: key, CurrencyEnabled: true,
		}
		if n != 1 { // that one puts no threshold in force
			request.DefaultAlerts = "USD\t200:300 100000:100000\n"
		}
		if n%2 == 0 {
			request.IdempotencyKey = fmt.Sprintf("%s hold %d", text, n)
		}
		made, err := book.MakeHold(t.Context(), request)
		must(t, err)
		if n == 3 {
			break
		}
		amount := request.Amount / 4
		_, err = book.Capture(t.Context(), ledger.CaptureRequest{
			Tenant: c.Tenant, CustomerID: c.ID, HoldID: made.Hold.Hold.ID, Amount: &amount, Final: n == 1, CreatedBy: key,
		})
		must(t, err)
		if n == 2 {
			_, err = book.Release(t.Context(), ledger.ReleaseRequest{
				Tenant: c.Tenant, CustomerID: c.ID, HoldID: made.Hold.Hold.ID, CreatedBy: key,
			})
			must(t, err)
		}
	}
}

// oweSome leaves a customer's wallet in EUR with a debt of which a part is paid.
func oweSome(t testing.TB, book *ledger.Book, c ledger.Customer, key string) {
	t.Helper()
	request := ledger.PostRequest{
		Tenant: c.Tenant, CustomerID: c.ID, Currency: "EUR", Direction: ledger.Credit, Amount: 300, CreatedBy: key,
		CurrencyEnabled: true,
	}
	spent, err := book.Post(t.Context(), request)
	must(t, err)
	request.Direction = ledger.Debit
	_, err = book.Post(t.Context(), request)
	must(t, err)
	_, err = book.Reverse(t.Context(), ledger.ReverseRequest{
		Tenant: c.Tenant, CustomerID: c.ID, EntryID: spent.Entry.ID, AllowDebt: true, CreatedBy: key,
	})
	must(t, err)
	request.Direction, request.Amount = ledger.Credit, 100
	_, err = book.Post(t.Context(), request)
	must(t, err)
}

// freezeSome gives customers audit trails, leaves some frozen, and all with
// thresholds of their own.
func freezeSome(t testing.TB, db store, tenant ledger.Tenant, key string) {
	t.Helper()
	book := ledger.NewBook(db, func() time.Time { return began }, rand.Uint64)
	list, err := db.Customers(t.Context(), tenant, ledger.CustomerFilter{}, ledger.Page{Limit: 200})
	must(t, err)
	for i, c := range list.Customers {
		r := ledger.FreezeRequest{
			Tenant: tenant, CustomerID: c.ID, Scope: ledger.FreezeEverything, Reason: texts[i%len(texts)],
			By: ledger.Actor{KeyID: key, Address: "2001:db8::1"},
		}
		_, _, err := book.Freeze(t.Context(), r, nil)
		must(t, err)
		r.Currency, r.Scope = "INR", ledger.FreezeDebits
		_, _, err = book.Freeze(t.Context(), r, nil)
		must(t, err)
		r.Lift, r.Currency = i%2 == 0, ""
		_, _, err = book.Freeze(t.Context(), r, nil)
		must(t, err)
		_, _, err = book.SetAlerts(t.Context(), ledger.AlertsRequest{
			Tenant: tenant, CustomerID: c.ID, Currency: "USD", Thresholds: []ledger.Threshold{{Below: 500, RecoverAt: 700}}, By: r.By,
		}, nil)
		must(t, err)
	}
}

func onceOf(tenant ledger.Tenant, route, key string) *ledger.Once {
	return &ledger.Once{
		Tenant: tenant, Route: route, Key: key, Fingerprint: ledger.Fingerprint(sha256.New().Sum(nil)[:16]),
		Answer: func(c ledger.Customer) []byte { return []byte("{\"" + c.ID + "\":\x00\xff}") }, At: began,
	}
}

// side is one end of a copy. One of both is set.
type side struct {
	dir, url string
}

func (s side) openSource(t testing.TB) (transfer.Source, func() error, error) {
	if s.url != "" {
		source, err := postgres.OpenCopySource(t.Context(), s.url)
		if err != nil {
			return nil, nil, err
		}
		return source, source.Close, nil
	}
	source, err := sqlite.OpenCopySource(s.dir)
	if err != nil {
		return nil, nil, err
	}
	return source, source.Close, nil
}

func (s side) openTarget(t testing.TB) (transfer.Target, func() error, error) {
	if s.url != "" {
		target, err := postgres.OpenCopyTarget(t.Context(), s.url)
		if err != nil {
			return nil, nil, err
		}
		return target, target.Close, nil
	}
	target, err := sqlite.OpenCopyTarget(s.dir)
	if err != nil {
		return nil, nil, err
	}
	return target, target.Close, nil
}

// open opens the store to be used.
func (s side) open(t testing.TB) store {
	t.Helper()
	if s.url != "" {
		return openPostgres(t, s.url)
	}
	return openEmbedded(t, s.dir)
}

func (s side) verify(ctx context.Context) (int64, error) {
	report, err := verify.Run(ctx, verify.Options{Path: s.dir, DatabaseURL: s.url})
	if err == nil && !report.Clean() {
		err = errors.New(report.Findings[0].String())
	}
	return report.Entries, err
}

// emptyDir and emptyDatabase are places for a copy.
func emptyDir(t testing.TB) side { return side{dir: filepath.Join(t.TempDir(), "copy")} }

func emptyDatabase(t testing.TB) side {
	t.Helper()
	return side{url: cluster.Database(t, "")}
}

// transferring runs a copy as the command does. Wrap, when it is set, stands
// between the run and its target.
func transferring(t testing.TB, from, to side, wrap func(transfer.Target) transfer.Target) (transfer.Report, error) {
	t.Helper()
	source, closeSource, err := from.openSource(t)
	if err != nil {
		return transfer.Report{}, err
	}
	defer closing(t, "source", closeSource)
	target, closeTarget, err := to.openTarget(t)
	if err != nil {
		return transfer.Report{}, err
	}
	defer func() {
		if err := closeTarget(); err != nil && to.url == "" {
			t.Errorf("close the target: %v", err)
		}
	}()
	if wrap != nil {
		target = wrap(target)
	}
	return transfer.Run(t.Context(), source, target, transfer.Options{
		Name: "the source", SecretCheck: secretCheck, VerifySource: from.verify, VerifyTarget: to.verify, BatchRows: 997,
	})
}

func mustTransfer(t testing.TB, from, to side) transfer.Report {
	t.Helper()
	report, err := transferring(t, from, to, nil)
	must(t, err)
	return report
}
