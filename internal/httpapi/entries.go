package httpapi

import (
	"math"
	"net/http"
	"strconv"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a ledger entry request; the first three are required.
var entryFields = []string{
	"amount", "currency", "entry_type",
	"category", "expires_at", "allow_partial", "if_seq", "if_available_at_least", "reason", "reference_object_id",
	"metadata", "idempotency_key",
}

const (
	entryAmount = iota
	entryCurrency
	entryType
	entryCategory
	entryExpiresAt
	entryAllowPartial
	entryIfSeq
	entryIfAvailable
	entryReason
	entryReference
	entryMetadata
	entryKey
	entryRequired = entryType + 1
)

// handleEntryCreate posts one credit or debit and answers with the wallet.
func (s *Server) handleEntryCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request := ledger.PostRequest{
		Tenant:     c.tenant(),
		CustomerID: c.params[0],
		CreatedBy:  c.key.ID,
	}
	if err := c.decodeEntry(&request); err != nil {
		return err
	}
	byHeader, err := c.takeKey(&request.IdempotencyKey)
	if err != nil {
		return firstOf(&request, err)
	}
	c.keyed = request.IdempotencyKey != ""
	request.CurrencyEnabled, request.DefaultAlerts = c.settings.Enabled(request.Currency), c.settings.Alerts
	if err := s.checkCustomerAndKey(c, &request); err != nil {
		return err
	}
	change, err := s.book.Post(c.r.Context(), request)
	if err != nil {
		return err
	}
	c.replyChange(&change, byHeader)
	return nil
}

// replyChange answers with what a request has changed, or with what it had changed
// before. ByHeader says that its key came in the header.
func (c *call) replyChange(change *ledger.Change, byHeader bool) {
	switch {
	case !change.Replayed:
		c.replyWallet(change)
	case byHeader || c.resent() || c.settings.OnDuplicate == access.Replay:
		c.w.Header()["Idempotency-Replayed"] = headerTrue
		c.replyWallet(change)
	default:
		c.replyDuplicate(change)
	}
}

// checkCustomerAndKey refuses a malformed customer id, and a second try
// without a key: it may be a second credit (law K9). Fields come before
// objects and objects before keys, so both paths look at the fields first.
func (s *Server) checkCustomerAndKey(c *call, request *ledger.PostRequest) error {
	_, malformed := c.customerID()
	if malformed == nil && (c.keyed || !c.resent()) {
		return nil
	}
	if err := request.Validate(); err != nil {
		return err
	}
	if malformed != nil {
		return malformed
	}
	if _, err := s.book.Store().Customer(c.r.Context(), request.Tenant, request.CustomerID); err != nil {
		return err
	}
	return errKeyRequired
}

// replyWallet answers with the wallet as it was right after the entry, and which
// entry that is. All of it comes from what a repeat of the request will find
// again, so that the repeat gets the same bytes.
func (c *call) replyWallet(change *ledger.Change) {
	c.reply(http.StatusOK, appendPosted(c.scratch.out[:0], change))
}

func appendPosted(out []byte, change *ledger.Change) []byte {
	wallet := change.Answer()
	out = appendWallet(out, &wallet, int64(change.Entry.Available))
	out = append(out[:len(out)-1], `,"ledger_entry_id":"`...)
	out = append(out, change.Entry.ID...)
	out = append(out, `","ledger_entry_amount":`...)
	out = strconv.AppendInt(out, int64(change.Entry.Amount), 10)
	if owed := change.Entry.Owed(); owed > 0 {
		out = append(out, `,"ledger_entry_owed":`...)
		out = strconv.AppendInt(out, int64(owed), 10)
	}
	return append(out, '}')
}

// replyDuplicate answers a new call under a used key: 409, with everything that
// the caller would have learnt from the first.
func (c *call) replyDuplicate(change *ledger.Change) {
	out := c.appendDuplicate(c.scratch.out[:0])
	out = append(out, `,"ledger_entry":`...)
	out = appendEntry(out, &change.Entry)
	out = append(out, `,"wallet":`...)
	out = appendPosted(out, change)
	c.reply(http.StatusConflict, append(out, '}'))
}

func (c *call) appendDuplicate(out []byte) []byte {
	err := ledger.FieldErrorf(CodeDuplicateKey, "idempotency_key", "This idempotency key was used before, for this same request.")
	c.code = err.Code
	c.shouldRetry(false)
	return c.appendError(out, err, false)
}

// headerKey is the idempotency key of a request that has one in the header or not at all,
// empty for none.
func (c *call) headerKey() (key string, err error) {
	_, err = c.takeKey(&key)
	c.keyed = key != ""
	return key, err
}

// takeKey merges the Idempotency-Key header into the key of the body and says
// whether the header was there.
func (c *call) takeKey(key *string) (byHeader bool, err error) {
	values, given := c.r.Header["Idempotency-Key"]
	if !given {
		return false, nil
	}
	if len(values) != 1 {
		return false, ledger.FieldErrorf(ledger.CodeInvalidIdempotencyKey, "Idempotency-Key", "the Idempotency-Key header is there %d times", len(values))
	}
	if ledger.ValidateKey(values[0]) != nil {
		return false, ledger.FieldErrorf(ledger.CodeInvalidIdempotencyKey, "Idempotency-Key", "the Idempotency-Key header must be 1 to %d characters, not blank, without control characters", ledger.KeyMax)
	}
	if *key != "" && *key != values[0] {
		return false, ledger.FieldErrorf(ledger.CodeInvalidIdempotencyKey, "idempotency_key", "the idempotency key of the body is not the one of the Idempotency-Key header")
	}
	*key = values[0]
	return true, nil
}

// decodeEntry reads a ledger entry request. Types come before values, and of
// the values the first that is wrong in the order of
// [ledger.PostRequest.Validate] is reported, whether it cannot be read or is
// against a rule.
func (c *call) decodeEntry(r *ledger.PostRequest) error {
	f, err := c.fields(entryFields, entryRequired)
	if err != nil {
		return err
	}
	return c.decodeEntryFields(&f, r)
}

// decodeEntryFields is decodeEntry for fields that were found already.
func (c *call) decodeEntryFields(f *fields, r *ledger.PostRequest) (err error) {
	if err := f.entryKinds(); err != nil {
		return err
	}
	if r.Currency = c.currency(f.values[entryCurrency].Text()); !r.Currency.Valid() {
		return r.Validate()
	}
	if r.Direction = direction(f.values[entryType].Text()); r.Direction == "" {
		return r.Validate()
	}
	if r.Amount, err = amount(f.values[entryAmount]); err != nil {
		return err
	}
	if err = decodeEntryOptions(f, r); err != nil {
		return firstOf(r, err)
	}
	return nil
}

// firstOf returns the rule that the fields read so far break, and err when they
// break none: err is about a later one.
func firstOf(r *ledger.PostRequest, err error) error {
	if earlier := r.Validate(); earlier != nil {
		return earlier
	}
	return err
}

// entryKinds checks the types of all members but the amount, for which any
// other type has the code of a value that is no integer.
func (f *fields) entryKinds() error {
	for i := entryCurrency; i < len(entryFields); i++ {
		want := strictjson.String
		switch i {
		case entryMetadata:
			want = strictjson.Object
		case entryAllowPartial:
			want = strictjson.Bool
		case entryIfSeq, entryIfAvailable:
			want = strictjson.Number
		}
		if f.given(i) && f.values[i].Kind() != want {
			return f.wrongKind(i, want)
		}
	}
	return nil
}

// currency returns a currency without a copy of its name when the business has
// enabled it.
func (c *call) currency(name []byte) money.Currency {
	for _, enabled := range c.settings.Currencies {
		if string(enabled) == string(name) {
			return enabled
		}
	}
	return money.Currency(name)
}

// direction returns a direction, or "" for a word that is none.
func direction(word []byte) ledger.Direction {
	switch string(word) {
	case string(ledger.Credit):
		return ledger.Credit
	case string(ledger.Debit):
		return ledger.Debit
	}
	return ""
}

func decodeEntryOptions(f *fields, r *ledger.PostRequest) error {
	category, given, err := f.text(entryCategory)
	if err != nil {
		return err
	}
	if given && category == "" {
		return ledger.FieldErrorf(ledger.CodeInvalidCategory, "category", "category must be paid or promotional")
	}
	r.Category = ledger.Category(category)
	expires, given, err := f.text(entryExpiresAt)
	if err != nil {
		return err
	}
	if given {
		if r.ExpiresAt, err = parseExpiry(expires); err != nil {
			return err
		}
	}
	if r.AllowPartial, _, err = f.boolean(entryAllowPartial); err != nil {
		return err
	}
	if err = decodeConditions(f, entryIfSeq, entryIfAvailable, &r.Conditions); err != nil {
		return err
	}
	if r.Reason, _, err = f.text(entryReason); err != nil {
		return err
	}
	if r.ReferenceObjectID, _, err = f.text(entryReference); err != nil {
		return err
	}
	r.Metadata, r.IdempotencyKey, err = f.metadataAndKey(entryMetadata, entryKey)
	return err
}

// decodeConditions reads the members whose names begin with if_, which are at these
// places.
func decodeConditions(f *fields, ifSeq, ifAvailable int, c *ledger.Conditions) error {
	if f.given(ifSeq) {
		seq, ok := integer(f.values[ifSeq])
		if !ok {
			return notInteger(f, ifSeq)
		}
		c.IfSeq = &seq
	}
	if f.given(ifAvailable) {
		least, ok := integer(f.values[ifAvailable])
		if !ok {
			return notInteger(f, ifAvailable)
		}
		c.IfAvailableAtLeast = (*money.Amount)(&least)
	}
	return nil
}

func notInteger(f *fields, index int) error {
	name := f.names[index]
	return ledger.FieldErrorf(ledger.CodeInvalidCondition, name, "%s must be a whole number, written without point or exponent", name)
}

// amount is that of an entry; the rules say whether it is in range.
func amount(value strictjson.Value) (money.Amount, error) {
	n, ok := integer(value)
	if !ok {
		return 0, errAmount
	}
	return money.Amount(n), nil
}

// integerDigitsMax is how many digits a whole number may have that an int64
// holds whatever they are.
const integerDigitsMax = 18

// integer judges a number as it is written: 1.0, 1e3 and -0 are no integers.
// One that is negative comes back as -1, and one of sixty thousand digits as the
// largest there is: whoever asks refuses both.
func integer(value strictjson.Value) (n int64, ok bool) {
	digits := value.Text()
	if value.Kind() != strictjson.Number {
		return 0, false
	}
	negative := digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	switch {
	case negative && digits[0] == '0':
		return 0, false
	case negative:
		return -1, true
	case len(digits) > integerDigitsMax:
		return math.MaxInt64, true
	}
	for _, c := range digits {
		n = n*10 + int64(c-'0')
	}
	return n, true
}

var errAmount = ledger.FieldErrorf(CodeAmountNotInteger, "amount", "amount must be a whole number of minor units, written without quotes, point or exponent")

// Query parameters of the list of entries.
const (
	paramCurrency   = "currency"
	paramEventType  = "event_type"
	paramEntryType  = "entry_type"
	paramReference  = "reference_object_id"
	paramKey        = "idempotency_key"
	paramCreatedGTE = "created_at_gte"
	paramCreatedLTE = "created_at_lte"
)

var entryListParams = []string{
	paramPageNumber, paramPageSize, paramCursor, paramCurrency, paramEventType, paramEntryType,
	paramReference, paramKey, paramCreatedGTE, paramCreatedLTE,
}

// handleEntryList lists a customer's entries, newest first.
func (s *Server) handleEntryList(c *call) error {
	q, err := c.query(entryListParams...)
	if err != nil {
		return err
	}
	filter, err := entryFilter(&q)
	if err != nil {
		return err
	}
	bound := c.bound()
	page, err := s.page(c, &q, bound)
	if err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	var list ledger.EntryList
	err = s.inTurn(c, walksEntries(&filter), func() (err error) {
		list, err = s.book.Store().Entries(c.r.Context(), c.tenant(), id, filter, page)
		return err
	})
	if err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i := range list.Entries {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendEntry(out, &list.Entries[i])
	}
	out = append(out, `],"as_of_position":`...)
	out = strconv.AppendInt(out, list.AsOfPosition, 10)
	out = s.appendNext(out, list.Next, bound)
	return s.replyList(c, append(out, '}'))
}

func entryFilter(q *query) (filter ledger.EntryFilter, err error) {
	if filter.Currency, err = q.currency(paramCurrency); err != nil {
		return filter, err
	}
	filter.EventType = ledger.EventType(q.get(paramEventType))
	if filter.EventType != "" && !knownEventType(filter.EventType) {
		return filter, queryError(paramEventType, "event_type must be one of %v.", ledger.EventTypes())
	}
	filter.Direction = ledger.Direction(q.get(paramEntryType))
	if filter.Direction != "" && filter.Direction != ledger.Credit && filter.Direction != ledger.Debit {
		return filter, queryError(paramEntryType, "entry_type must be credit or debit.")
	}
	filter.ReferenceObjectID = q.get(paramReference)
	filter.IdempotencyKey = q.get(paramKey)
	if filter.CreatedAtGTE, err = q.since(paramCreatedGTE); err != nil {
		return filter, err
	}
	filter.CreatedAtLTE, err = q.until(paramCreatedLTE)
	return filter, err
}

func knownEventType(t ledger.EventType) bool {
	for _, known := range ledger.EventTypes() {
		if t == known {
			return true
		}
	}
	return false
}

// handleEntry returns one entry.
func (s *Server) handleEntry(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	if !isID(c.params[1], ledger.EntryIDPrefix) {
		return errNotFound
	}
	entry, err := s.book.Store().Entry(c.r.Context(), c.tenant(), id, c.params[1])
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, appendEntry(c.scratch.out[:0], &entry))
	return nil
}
