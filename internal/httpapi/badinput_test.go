package httpapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/apitest"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/storetest"
)

var updateBadInput = flag.Bool("update-badinput", false, "write what bad input gets into testdata/badinput.txt")

const badInputFile = "testdata/badinput.txt"

// badInput is a rig with the objects that the table speaks of.
type badInput struct {
	*rig
	names map[string]string // of macros
}

// tableLine is one line of the table; row is empty on comments and blank lines.
type tableLine struct {
	text             string
	number           int
	row, route, want string
	body             string
}

// wireRequest is what a line asks for, once for each route that it means.
type wireRequest struct {
	method, path string
	headers      [][2]string
	body         string
}

// TestBadInput sends every line of the table and wants exactly the status,
// code and param that stand there, from every store, and that no error has
// changed anything.
func TestBadInput(t *testing.T) {
	t.Parallel()
	lines := readBadInput(t)
	onEachStore(t, func(t *testing.T, open func(testing.TB) storetest.Stores) {
		f := newBadInput(t, open(t))
		if *updateBadInput {
			f.update(t, lines)
			return
		}
		cases := 0
		before := f.digest()
		for _, line := range lines {
			if line.row == "" {
				continue
			}
			for _, request := range f.requests(t, line) {
				cases++
				got := f.send(t, line, request)
				// Time goes on, so that the failed authentications of the table do
				// not add up to a back-off.
				f.clock.Move(time.Second)
				if got != line.want {
					t.Errorf("%s:%d: %s %s: got %q, want %q", badInputFile, line.number, request.method, shorten(request.path), got, line.want)
				}
				after := f.digest()
				if after != before && line.row != "=" {
					t.Errorf("%s:%d: %s %s has changed the state:\n%s", badInputFile, line.number, request.method, request.path, cmp.Diff(before, after))
				}
				before = after
			}
		}
		if cases < 700 {
			t.Errorf("cases: got %d, want at least 700", cases)
		}
	})
}

// send sends one request, checks what all answers have in common, and returns
// status, code and param as the table writes them.
func (f *badInput) send(t testing.TB, line tableLine, request wireRequest) string {
	t.Helper()
	response, body, err := f.raw(request.method, request.bytes(f.addr))
	if err != nil {
		t.Fatalf("%s:%d: %s %s: got error %v, want an answer", badInputFile, line.number, request.method, shorten(request.path), err)
	}
	path, _, _ := strings.Cut(request.path, "?")
	answer := apitest.Answer{
		Method: request.method, Path: path, Status: response.StatusCode, Header: response.Header, Body: body,
	}
	for _, contract := range f.contracts {
		if err := contract.Check(answer); err != nil {
			t.Errorf("%s:%d: %s %s: the answer breaks the contract: %v", badInputFile, line.number, request.method, shorten(request.path), err)
		}
	}
	if response.StatusCode == 200 {
		checkRow(t, line.row, outcome{status: 200})
		return "200"
	}
	var problem struct{ Code, Param string }
	if err := json.Unmarshal(body, &problem); err != nil {
		t.Errorf("%s:%d: got body %q, want an error: %v", badInputFile, line.number, body, err)
	}
	checkRow(t, line.row, outcome{response.StatusCode, problem.Code})
	if problem.Param == "" {
		problem.Param = "-"
	}
	param := strings.Trim(strconv.QuoteToASCII(problem.Param), `"`)
	return fmt.Sprintf("%d %s %s", response.StatusCode, problem.Code, strings.ReplaceAll(param, " ", `\u0020`))
}

// update writes what was got into the table, to be reviewed.
func (f *badInput) update(t *testing.T, lines []tableLine) {
	t.Helper()
	if !strings.HasSuffix(t.Name(), "/model") {
		return
	}
	var out bytes.Buffer
	for _, line := range lines {
		if line.row == "" {
			out.WriteString(line.text + "\n")
			continue
		}
		wants := map[string]bool{}
		for _, request := range f.requests(t, line) {
			want := f.send(t, line, request)
			wants[want] = true
			line.want = want
		}
		if len(wants) > 1 {
			t.Errorf("%s:%d: the routes of the line give %v, want one", badInputFile, line.number, wants)
		}
		out.WriteString(strings.TrimRight(fmt.Sprintf("%s | %s | %s | %s", line.row, line.route, line.want, line.body), " ") + "\n")
	}
	if err := os.WriteFile(badInputFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readBadInput(t testing.TB) []tableLine {
	t.Helper()
	text, err := os.ReadFile(badInputFile)
	if err != nil {
		t.Fatalf("read the table: got error %v, want none", err)
	}
	var lines []tableLine
	for i, text := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		l := tableLine{text: text, number: i + 1}
		if text != "" && text[0] != '#' {
			parts := strings.SplitN(text, " | ", 4)
			if len(parts) == 3 {
				parts = append(parts, "")
				parts[2] = strings.TrimSuffix(parts[2], " |")
			}
			if len(parts) != 4 {
				t.Fatalf("%s:%d: got %d columns, want 4", badInputFile, l.number, len(parts))
			}
			l.row, l.route, l.want, l.body = parts[0], parts[1], parts[2], parts[3]
		}
		lines = append(lines, l)
	}
	return lines
}

// headerEdit begins a header to add or to leave out in the route column.
var headerEdit = regexp.MustCompile(` [+-][A-Z][A-Za-z-]+`)

// routeNames are the short names of the write routes.
var routeNames = map[string]string{
	"C":  "POST /customers",
	"P":  "PATCH /customers/«cus»",
	"L":  "POST /customers/«cus»/wallets/ledger-entries",
	"B":  "PATCH /business",
	"R":  "POST /customers/«cus»/wallets/ledger-entries/«debit»/reverse",
	"T":  "POST /customers/«cus»/wallets/transfers",
	"H":  "POST /customers/«cus»/wallets/holds",
	"N":  "POST /customers/«cus»/wallets/holds/«hold»/capture",
	"E":  "POST /customers/«cus»/wallets/holds/«brief»/release",
	"F":  "POST /customers/«ice»/freeze",
	"U":  "POST /customers/«ice»/unfreeze",
	"A":  "PUT /customers/«ice»/wallets/USD/alerts",
	"K":  "POST /ledger-entries/bulk",
	"X":  "POST /webhooks",
	"Y":  "PATCH /webhooks/«hook»",
	"Z":  "PATCH /webhooks/«hook»/headers",
	"V":  "POST /webhooks/«hook»/replay",
	"M":  "PATCH /customers/«cus»/wallets/USD/lots/«lot»",
	"D":  "POST /payments",
	"Q":  "POST /customers/«cus»/payment-methods",
	"SU": "POST /customers/«cus»/payment-methods/setup",
	"S":  "POST /refunds",

	"SN": "POST /subscriptions",
	"SP": "PATCH /subscriptions/«sub»",
	"SC": "POST /subscriptions/«demand»/charge",
	"SG": "POST /subscriptions/«sub»/change-plan",
	"SM": "POST /subscriptions/«sub»/update-payment-method",
	"I":  "POST /customers/«cus»/wallets/top-ups",
	"O":  "PUT /customers/«cus»/wallets/USD/auto-top-up",
	"G":  "POST /products",
	"J":  "PATCH /products/«product»",
}

// requests returns the requests that a line means, macros replaced.
func (f *badInput) requests(t testing.TB, l tableLine) []wireRequest {
	t.Helper()
	route, edits := l.route, ""
	if at := headerEdit.FindStringIndex(l.route); at != nil {
		route, edits = l.route[:at[0]], l.route[at[0]:]
	}
	var routes []string
	switch {
	case route == "W":
		routes = []string{
			routeNames["C"], routeNames["P"], routeNames["L"], routeNames["B"], routeNames["R"], routeNames["F"], routeNames["U"],
			routeNames["A"],
			routeNames["T"], routeNames["H"], routeNames["N"], routeNames["E"],
			routeNames["X"], routeNames["Y"], routeNames["Z"], routeNames["V"], routeNames["M"], routeNames["D"], routeNames["Q"], routeNames["SU"],
			routeNames["G"], routeNames["J"], routeNames["S"], routeNames["I"], routeNames["O"],
			routeNames["SN"], routeNames["SP"], routeNames["SC"], routeNames["SG"], routeNames["SM"],
		}
	case routeNames[route] != "":
		routes = []string{routeNames[route]}
	case strings.Contains(route, "«list»"):
		routes = []string{
			strings.ReplaceAll(route, "«list»", "/customers"),
			strings.ReplaceAll(route, "«list»", "/customers/«cus»/wallets/ledger-entries"),
		}
	default:
		routes = []string{route}
	}
	var requests []wireRequest
	for _, route := range routes {
		valid := validBodies[kindOf(route)]
		method, path, _ := strings.Cut(f.expand(t, route, valid), " ")
		r := wireRequest{method: method, path: path, body: f.expand(t, l.body, valid)}
		r.headers = append(r.headers, [2]string{"Authorization", "Bearer " + f.names["write"]})
		if r.body != "" {
			r.headers = append(r.headers, [2]string{"Content-Type", "application/json"})
		}
		r.edit(f.expand(t, edits, valid))
		requests = append(requests, r)
	}
	return requests
}

// kindOf returns the short name of the write route that a route is like.
func kindOf(route string) string {
	switch {
	case strings.HasSuffix(route, "/charge"):
		return "SC"
	case strings.HasSuffix(route, "/change-plan"):
		return "SG"
	case strings.HasSuffix(route, "/update-payment-method"):
		return "SM"
	case strings.HasPrefix(route, "PATCH /subscriptions"):
		return "SP"
	case strings.HasPrefix(route, "POST /subscriptions"):
		return "SN"
	case strings.HasSuffix(route, "/reverse"):
		return "R"
	case strings.HasSuffix(route, "/alerts"):
		return "A"
	case strings.HasSuffix(route, "/transfers"):
		return "T"
	case strings.HasSuffix(route, "/holds"):
		return "H"
	case strings.HasSuffix(route, "/capture"):
		return "N"
	case strings.HasSuffix(route, "/release"):
		return "E"
	case strings.HasSuffix(route, "/top-ups"):
		return "I"
	case strings.HasSuffix(route, "/auto-top-up"):
		return "O"
	case strings.HasSuffix(route, "/payment-methods/setup"):
		return "SU"
	case strings.HasSuffix(route, "/payment-methods"):
		return "Q"
	case strings.HasPrefix(route, "POST /refunds"):
		return "S"
	case strings.HasPrefix(route, "POST /payments"):
		return "D"
	case strings.Contains(route, "ledger-entries/bulk"):
		return "K"
	case strings.Contains(route, "ledger-entries"):
		return "L"
	case strings.HasPrefix(route, "PATCH /customers") && strings.Contains(route, "/lots/"):
		return "M"
	case strings.HasPrefix(route, "PATCH /customers"):
		return "P"
	case strings.Contains(route, "/business"):
		return "B"
	case strings.HasSuffix(route, "/freeze"):
		return "F"
	case strings.HasSuffix(route, "/unfreeze"):
		return "U"
	case strings.HasPrefix(route, "PATCH /webhooks") && strings.HasSuffix(route, "/headers"):
		return "Z"
	case strings.HasSuffix(route, "/replay"):
		return "V"
	case strings.HasPrefix(route, "PATCH /webhooks"):
		return "Y"
	case strings.HasPrefix(route, "POST /webhooks"):
		return "X"
	case strings.HasPrefix(route, "PATCH /products"):
		return "J"
	case strings.HasPrefix(route, "POST /products"):
		return "G"
	}
	return "C"
}

// edit adds headers and leaves headers out. The first addition of a name
// replaces the default.
func (r *wireRequest) edit(edits string) {
	starts := headerEdit.FindAllStringIndex(edits, -1)
	added := map[string]bool{}
	for i, start := range starts {
		end := len(edits)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		name, value, _ := strings.Cut(edits[start[0]+2:end], ":")
		if !added[name] {
			r.drop(name)
		}
		added[name] = true
		if edits[start[0]+1] == '+' {
			r.headers = append(r.headers, [2]string{name, strings.TrimPrefix(value, " ")})
		}
	}
}

func (r *wireRequest) drop(name string) {
	var kept [][2]string
	for _, header := range r.headers {
		if header[0] != name {
			kept = append(kept, header)
		}
	}
	r.headers = kept
}

// bytes writes the request as it goes over the wire.
func (r *wireRequest) bytes(host string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r.method, r.path, host)
	chunked := false
	for _, header := range r.headers {
		chunked = chunked || header[0] == "Transfer-Encoding"
		fmt.Fprintf(&b, "%s: %s\r\n", header[0], header[1])
	}
	if chunked {
		fmt.Fprintf(&b, "\r\n%x\r\n%s\r\n0\r\n\r\n", len(r.body), r.body)
		return b.Bytes()
	}
	if r.body != "" || r.method == "POST" || r.method == "PATCH" || r.method == "PUT" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n" + r.body)
	return b.Bytes()
}

// lots names a lot, one of which the expiry was moved, and a cursor between lots.
func (f *badInput) lots() {
	f.Helper()
	write, lots := f.names["write"], "/customers/"+f.names["cus"]+"/wallets/USD/lots"
	f.names["moved"] = f.lot(write, f.names["cus"])
	f.must(200, write, "PATCH", lots+"/"+f.names["moved"], `{"expires_at":"2026-12-01T00:00:00Z","idempotency_key":"extended"}`)
	f.names["lot"] = f.lot(write, f.names["cus"]) // which is spent last
	f.names["lots cursor"] = f.must(200, write, "GET", lots+"?page_size=1", "")["next_cursor"].(string)
}

// newBadInput makes the objects that the table speaks of.
func newBadInput(t testing.TB, stores storetest.Stores) *badInput {
	t.Helper()
	r := newRig(t, stores, rigOptions{})
	shop, other := r.business("Shop"), r.business("Other")
	test := ledger.Tenant{BusinessID: shop.Business.ID, Mode: ledger.Test}
	f := &badInput{rig: r, names: map[string]string{
		"write": shop.TestKey,
		"live":  shop.LiveKey,
		"other": other.TestKey,
	}}
	_, f.names["read"] = r.key(test, access.Read, time.Time{})
	_, f.names["expired"] = r.key(test, access.Write, r.clock.Now().Add(time.Minute))
	revoked, text := r.key(test, access.Write, time.Time{})
	f.names["revoked"] = text
	if _, err := r.directory.RevokeKey(t.Context(), revoked); err != nil {
		t.Fatalf("revoke a key: got error %v, want none", err)
	}

	write := shop.TestKey
	for _, name := range []string{"full", "poor", "expired cus", "ice", "debits frozen", "frozen", "INR frozen", "friend", "cus"} {
		f.names[name] = r.customer(write, strings.ReplaceAll(name, " ", "-"))
	}
	f.names["other cus"] = r.customer(other.TestKey, "other")
	f.names["live cus"] = r.customer(shop.LiveKey, "live")
	r.must(200, write, "POST", "/customers", `{"email":"used@example.com","name":"Used"}`, "Idempotency-Key", "used")

	credit := func(key, customer, members string) {
		t.Helper()
		r.must(200, key, "POST", entriesOf(customer), `{"entry_type":"credit",`+members+`}`)
	}
	credit(write, f.names["cus"], `"amount":100,"currency":"USD","idempotency_key":"used"`)
	credit(write, f.names["cus"], `"amount":500,"currency":"INR"`)
	credit(write, f.names["cus"], `"amount":9900,"currency":"USD"`)
	credit(other.TestKey, f.names["other cus"], `"amount":100,"currency":"USD"`)
	credit(write, f.names["expired cus"], `"amount":1000,"currency":"USD","expires_at":"`+r.clock.Now().Add(2*time.Minute).Format(time.RFC3339)+`"`)
	for name, freeze := range map[string]string{
		"debits frozen": `"scope":"debits"`, "frozen": `"scope":"everything"`, "INR frozen": `"scope":"debits","currency":"INR"`,
	} {
		credit(write, f.names[name], `"amount":100,"currency":"USD","idempotency_key":"before"`)
		r.must(200, write, "POST", "/customers/"+f.names[name]+"/freeze", `{"reason":"Fraud",`+freeze+`}`)
		r.must(200, write, "PATCH", "/customers/"+f.names[name], `{"name":"Another"}`)
	}
	trail := "/customers/" + f.names["frozen"] + "/audit"
	f.names["audit cursor"] = r.must(200, write, "GET", trail+"?page_size=1", "")["next_cursor"].(string)
	f.sell(test, write)
	f.names["entry"] = f.newest(write, "cus")
	f.names["other entry"] = f.newest(other.TestKey, "other cus")
	f.names["expired entry"] = f.newest(write, "expired cus")
	credit(write, f.names["cus"], `"amount":2999,"currency":"INR"`)
	f.names["debit"] = r.must(200, write, "POST", entriesOf(f.names["cus"]), `{"entry_type":"debit","amount":3000,"currency":"INR"}`)["ledger_entry_id"].(string)
	r.must(200, write, "POST", entriesOf(f.names["cus"])+"/"+f.names["debit"]+"/reverse", `{"amount":1,"idempotency_key":"undone"}`)
	f.names["reversal"] = f.newest(write, "cus")
	sent := r.must(200, write, "POST", transfersOf(f.names["cus"]), `{"to_customer_id":"`+f.names["friend"]+`","currency":"USD","amount":1,"idempotency_key":"moved"}`)
	f.names["transfer"] = sent["transfer"].(map[string]any)["transfer_id"].(string)
	f.names["transfer entry"] = f.newest(write, "cus")
	f.names["hold"] = f.hold(write, f.names["cus"], `"amount":500,"idempotency_key":"held"`)
	f.names["brief"] = f.hold(write, f.names["cus"], `"amount":1`)
	f.names["released"] = f.hold(write, f.names["cus"], `"amount":1`)
	f.names["overdue"] = f.hold(write, f.names["friend"], `"amount":1,"expires_at":"`+r.clock.Now().Add(2*time.Minute).Format(time.RFC3339)+`"`)
	f.names["other hold"] = f.hold(other.TestKey, f.names["other cus"], `"amount":1`)
	r.must(200, write, "POST", holdsOf(f.names["cus"])+"/"+f.names["hold"]+"/capture", `{"amount":1,"idempotency_key":"captured"}`)
	r.must(200, write, "POST", holdsOf(f.names["cus"])+"/"+f.names["released"]+"/release", `{"idempotency_key":"given back"}`)
	f.webhooks()
	f.products()
	f.names["entries cursor"] = r.must(200, write, "GET", entriesOf(f.names["cus"])+"?page_size=1", "")["next_cursor"].(string)
	credit(write, f.names["cus"], `"amount":1,"currency":"USD"`) // so that two lots are left
	f.lots()
	f.names["events cursor"] = r.must(200, write, "GET", "/events?page_size=1", "")["next_cursor"].(string)
	f.names["customers cursor"] = r.must(200, write, "GET", "/customers?page_size=1", "")["next_cursor"].(string)
	f.fill(test, f.names["full"])
	r.clock.Move(5 * time.Minute) // the lot and the key expire
	return f
}

// webhooks makes endpoints, and one under a key.
func (f *badInput) webhooks() {
	f.Helper()
	f.names["hook"], f.names["event"] = f.webhook(f.names["write"], f.names["friend"])
	f.names["other hook"], f.names["other event"] = f.webhook(f.names["other"], f.names["other cus"])
	f.names["live hook"], _ = f.webhook(f.names["live"], f.names["live cus"])
	f.must(200, f.names["write"], "POST", "/webhooks", `{"url":"https://example.com/keyed","idempotency_key":"hooked"}`)
}

// products makes products, an archived one, and one under a key.
func (f *badInput) products() {
	f.Helper()
	write := f.names["write"]
	f.names["product"], f.names["archived"] = f.product(write), f.product(write)
	f.do(write, "DELETE", "/products/"+f.names["archived"], "")
	monthly := strings.Replace(jsonObject(validBodies["G"]), oncePrice, monthlyPrice, 1)
	f.names["monthly"] = f.must(200, write, "POST", "/products", monthly)["product_id"].(string)
	f.names["other product"], f.names["live product"] = f.product(f.names["other"]), f.product(f.names["live"])
	f.must(200, write, "POST", "/products", strings.Replace(jsonObject(validBodies["G"]), "Course", "Keyed", 1), "Idempotency-Key", "made")
	f.names["products cursor"] = f.must(200, write, "GET", "/products?page_size=1", "")["next_cursor"].(string)
}

// hold promises a customer's dollars, to the end of a month unless members say
// another end, and returns the hold's id.
func (f *badInput) hold(key, customer, members string) string {
	f.Helper()
	if !strings.Contains(members, "expires_at") {
		members += `,"expires_at":"` + f.clock.Now().AddDate(0, 1, 0).Format(time.RFC3339) + `"`
	}
	made := f.must(200, key, "POST", holdsOf(customer), `{"currency":"USD",`+members+`}`)
	return made["hold"].(map[string]any)["hold_id"].(string)
}

// lot credits a customer with a dollar cent, and returns the number of its lot.
func (r *rig) lot(key, customer string) string {
	r.Helper()
	wallet := r.must(200, key, "POST", entriesOf(customer), `{"entry_type":"credit","amount":1,"currency":"USD"}`)
	return fmt.Sprint(wallet["seq"])
}

// newest returns the id of a customer's newest entry.
func (f *badInput) newest(key, customer string) string {
	f.Helper()
	items := f.must(200, key, "GET", entriesOf(f.names[customer]), "")["items"].([]any)
	return items[0].(map[string]any)["id"].(string)
}

// fill credits a wallet until the largest credit no longer fits.
func (f *badInput) fill(tenant ledger.Tenant, customer string) {
	f.Helper()
	const room = 12345
	left := money.BalanceMax - room
	posts := make(chan ledger.PostRequest)
	results := make(chan error)
	const workers = 64
	for range workers {
		go func() {
			var failed error
			for post := range posts {
				if _, err := f.book.Post(f.Context(), post); err != nil {
					failed = err
				}
			}
			results <- failed
		}()
	}
	for left > 0 {
		amount := min(left, money.EntryMax)
		left -= amount
		posts <- ledger.PostRequest{
			Tenant: tenant, CustomerID: customer, Currency: "USD", Direction: ledger.Credit, Amount: amount, CurrencyEnabled: true,
		}
	}
	close(posts)
	for range workers {
		if err := <-results; err != nil {
			f.Fatalf("fill a wallet: got error %v, want none", err)
		}
	}
	f.names["room+1"] = strconv.Itoa(room + 1)
}

func shorten(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}
