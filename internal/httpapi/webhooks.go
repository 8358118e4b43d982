package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/strictjson"
	"github.com/billfold/billfold/internal/webhook"
)

// The fields of a request to create an endpoint, of which the first is required. To
// change one there are those before the headers.
var webhookFields = []string{
	"url", "description", "disabled", "filter_types", "rate_limit", "in_order", "metadata", "headers", "idempotency_key",
}

const (
	webhookURL = iota
	webhookDescription
	webhookDisabled
	webhookFilterTypes
	webhookRateLimit
	webhookInOrder
	webhookMetadata
	webhookHeaders
	webhookKey

	webhookRequired = webhookURL + 1
)

// webhookKinds are the types of the fields, see reversalKinds.
var webhookKinds = [...]strictjson.Kind{
	webhookURL: strictjson.String, webhookDescription: strictjson.String, webhookDisabled: strictjson.Bool,
	webhookFilterTypes: strictjson.Array, webhookRateLimit: strictjson.Number, webhookInOrder: strictjson.Bool,
	webhookMetadata: strictjson.Object, webhookHeaders: strictjson.Object, webhookKey: strictjson.String,
}

// webhookUpdate is what a request says about an endpoint; nil is nothing.
type webhookUpdate struct {
	url, description  *string
	disabled, inOrder *bool
	rateLimit         *int
	filterTypes       []string
	metadata          map[string]string
}

func (u *webhookUpdate) apply(e *webhook.Endpoint) {
	put(u.url, &e.URL)
	put(u.description, &e.Description)
	put(u.disabled, &e.Disabled)
	put(u.inOrder, &e.InOrder)
	put(u.rateLimit, &e.RateLimit)
	if u.filterTypes != nil {
		e.FilterTypes = u.filterTypes
	}
	if u.metadata != nil {
		e.Metadata = u.metadata
	}
}

func put[T any](from, into *T) {
	if from != nil {
		*into = *from
	}
}

// decodeWebhook reads what a request says about an endpoint. Types come before values.
func decodeWebhook(f *fields) (u webhookUpdate, err error) {
	if err := f.checkKinds(webhookKinds[:len(f.names)]); err != nil {
		return u, err
	}
	for index, into := range map[int]**string{webhookURL: &u.url, webhookDescription: &u.description} {
		if text, given, _ := f.text(index); given {
			*into = &text
		}
	}
	for index, into := range map[int]**bool{webhookDisabled: &u.disabled, webhookInOrder: &u.inOrder} {
		if yes, given, _ := f.boolean(index); given {
			*into = &yes
		}
	}
	if f.given(webhookFilterTypes) {
		u.filterTypes = []string{}
		for element := range f.values[webhookFilterTypes].Elements {
			if element.Kind() != strictjson.String {
				return u, ledger.FieldErrorf(CodeInvalidRequestBody, "filter_types", "filter_types must hold texts, not %s", element.Kind())
			}
			u.filterTypes = append(u.filterTypes, string(element.Text()))
		}
	}
	if f.given(webhookRateLimit) {
		n, ok := integer(f.values[webhookRateLimit])
		if !ok {
			return u, ledger.FieldErrorf(webhook.CodeInvalidEndpoint, "rate_limit", "rate_limit must be a whole number of messages a second, written without point or exponent")
		}
		limit := int(n)
		u.rateLimit = &limit
	}
	u.metadata, err = f.texts(webhookMetadata)
	return u, err
}

// texts reads metadata of which every value is a text, as endpoints have them. It is
// nil when there is none.
func (f *fields) texts(index int) (map[string]string, error) {
	_, given, err := f.metadata(index)
	if err != nil || !given {
		return nil, err
	}
	texts := map[string]string{}
	for name, value := range f.values[index].Members {
		if value.Kind() != strictjson.String {
			return nil, metadataError("a value in the metadata of a webhook must be text, not %s", value.Kind())
		}
		texts[string(name)] = string(value.Text())
	}
	return texts, nil
}

// headers reads headers into those that an endpoint has. A name counts in upper and
// lower case alike, as in HTTP. Null takes a header away, where it may.
func (f *fields) headers(index int, null bool) (func(map[string]string) map[string]string, error) {
	given := map[string]*string{}
	for name, value := range f.values[index].Members {
		text := string(value.Text())
		switch {
		case value.Kind() == strictjson.String:
			given[string(name)] = &text
		case value.Kind() == strictjson.Null && null:
			given[string(name)] = nil
		default:
			return nil, ledger.FieldErrorf(CodeInvalidRequestBody, "headers", "headers must hold texts, not %s", value.Kind())
		}
	}
	names := slices.Sorted(maps.Keys(given))
	for i, name := range names {
		if slices.ContainsFunc(names[:i], func(other string) bool { return strings.EqualFold(name, other) }) {
			return nil, ledger.FieldErrorf(webhook.CodeInvalidEndpoint, "headers", "headers names one header twice, which differ in upper and lower case")
		}
	}
	return func(headers map[string]string) map[string]string {
		changed := map[string]string{}
		for name, value := range headers {
			if !slices.ContainsFunc(names, func(other string) bool { return strings.EqualFold(name, other) }) {
				changed[name] = value
			}
		}
		for _, name := range names {
			if given[name] != nil {
				changed[name] = *given[name]
			}
		}
		return changed
	}, nil
}

// webhookID returns the id in the path, or that there is no such endpoint.
func (c *call) webhookID() (string, error) {
	if !isID(c.params[0], webhook.EndpointIDPrefix) {
		return "", errNotFound
	}
	return c.params[0], nil
}

// handleWebhookCreate makes an endpoint.
func (s *Server) handleWebhookCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	f, err := c.fields(webhookFields, webhookRequired)
	if err != nil {
		return err
	}
	update, err := decodeWebhook(&f)
	if err != nil {
		return err
	}
	asked := webhook.Endpoint{Tenant: c.tenant()}
	update.apply(&asked)
	if f.given(webhookHeaders) {
		headers, err := f.headers(webhookHeaders, false)
		if err != nil {
			return err
		}
		asked.Headers = headers(nil)
	}
	if asked.Key, err = f.key(webhookKey); err != nil {
		return err
	}
	if _, err := c.takeKey(&asked.Key); err != nil {
		return err
	}
	var made webhook.Endpoint
	repeated := false
	if asked.Key != "" || c.resent() {
		made, repeated, err = s.webhooks.Earlier(c.r.Context(), asked, s.book.Now().Add(-resendWindow))
		if err != nil {
			return err
		}
	}
	// Under a key it is asked for also when it is there: what is asked may differ.
	if !repeated || asked.Key != "" {
		if made, err = s.webhooks.Create(c.r.Context(), asked); err != nil {
			return err
		}
	}
	if repeated {
		c.w.Header()["Idempotency-Replayed"] = headerTrue
	}
	c.reply(http.StatusOK, appendWebhook(c.scratch.out[:0], &made))
	return nil
}

// handleWebhook returns one endpoint.
func (s *Server) handleWebhook(c *call) error {
	return s.replyWebhook(c, appendWebhook)
}

// replyWebhook answers with something of an endpoint.
func (s *Server) replyWebhook(c *call, appendTo func([]byte, *webhook.Endpoint) []byte) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.webhookID()
	if err != nil {
		return err
	}
	endpoint, err := s.webhooks.Get(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, appendTo(c.scratch.out[:0], &endpoint))
	return nil
}

// handleWebhookUpdate changes an endpoint.
func (s *Server) handleWebhookUpdate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	f, err := c.fields(webhookFields[:webhookHeaders], 0)
	if err != nil {
		return err
	}
	update, err := decodeWebhook(&f)
	if err != nil {
		return err
	}
	id, err := c.webhookID()
	if err != nil {
		return err
	}
	changed, err := s.webhooks.Update(c.r.Context(), c.tenant(), id, update.apply)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, appendWebhook(c.scratch.out[:0], &changed))
	return nil
}

// handleWebhookDelete removes an endpoint.
func (s *Server) handleWebhookDelete(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.webhookID()
	if err != nil {
		return err
	}
	if err := s.webhooks.Delete(c.r.Context(), c.tenant(), id); err != nil {
		return err
	}
	c.replyEmpty()
	return nil
}

// replyEmpty answers that it is done, with no body, as the published format does.
func (c *call) replyEmpty() {
	c.w.Header()["Cache-Control"] = headerNoStore
	c.status = http.StatusOK
	c.w.WriteHeader(http.StatusOK)
}

// Query parameters of the list of endpoints, in the words of the published format.
const (
	paramLimit    = "limit"
	paramIterator = "iterator"
)

var webhookListParams = []string{paramLimit, paramIterator}

// handleWebhookList lists endpoints, oldest first. The iterator is the id of the last
// one that was seen, whether or not it is still there: ids grow with time. What is
// none has nothing behind it.
func (s *Server) handleWebhookList(c *call) error {
	q, err := c.query(webhookListParams...)
	if err != nil {
		return err
	}
	limit, err := q.integer(paramLimit, 1<<31-1)
	if err != nil {
		return err
	}
	if limit == 0 {
		limit = webhook.EndpointsMax
	}
	list, err := s.webhooks.List(c.r.Context(), c.tenant())
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b webhook.Endpoint) int { return strings.Compare(a.ID, b.ID) })
	if after := q.get(paramIterator); after != "" {
		known := isID(after, webhook.EndpointIDPrefix)
		list = slices.DeleteFunc(list, func(e webhook.Endpoint) bool { return !known || e.ID <= after })
	}
	next := ""
	if int64(len(list)) > limit {
		list = list[:limit]
		next = list[limit-1].ID
	}
	out := append(c.scratch.out[:0], `{"data":[`...)
	for i := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendWebhook(out, &list[i])
	}
	out = append(out, `],"iterator":`...)
	out = appendOptional(out, next)
	out = append(out, `,"prev_iterator":null,"done":`...)
	out = strconv.AppendBool(out, next == "")
	return s.replyList(c, append(out, '}'))
}

// appendWebhook appends an endpoint without its secret and headers.
func appendWebhook(out []byte, e *webhook.Endpoint) []byte {
	out = append(out, `{"id":`...)
	out = appendString(out, e.ID)
	out = append(out, `,"url":`...)
	out = appendString(out, e.URL)
	out = append(out, `,"description":`...)
	out = appendString(out, e.Description)
	out = append(out, `,"metadata":`...)
	out = appendTexts(out, e.Metadata)
	out = append(out, `,"created_at":`...)
	out = appendTime(out, e.CreatedAt)
	out = append(out, `,"updated_at":`...)
	out = appendTime(out, e.UpdatedAt)
	out = append(out, `,"disabled":`...)
	out = strconv.AppendBool(out, e.Disabled)
	out = append(out, `,"filter_types":`...)
	if len(e.FilterTypes) == 0 {
		out = append(out, "null"...)
	} else {
		out = appendStrings(out, e.FilterTypes)
	}
	out = append(out, `,"rate_limit":`...)
	if e.RateLimit == 0 {
		out = append(out, "null"...)
	} else {
		out = strconv.AppendInt(out, int64(e.RateLimit), 10)
	}
	out = append(out, `,"in_order":`...)
	out = strconv.AppendBool(out, e.InOrder)
	return append(out, '}')
}

// appendStrings appends a list of texts.
func appendStrings(out []byte, list []string) []byte {
	out = append(out, '[')
	for i, text := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, text)
	}
	return append(out, ']')
}

// appendTexts appends texts by name, in the order of their names.
func appendTexts(out []byte, texts map[string]string) []byte {
	out = append(out, '{')
	for i, name := range slices.Sorted(maps.Keys(texts)) {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, name)
		out = append(out, ':')
		out = appendString(out, texts[name])
	}
	return append(out, '}')
}
