package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// handleStatus says which process this is and since when it runs.
func (s *Server) handleStatus(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	now := s.now()
	out := append(c.scratch.out[:0], `{"status":"ok"`...)
	out = s.appendIdentity(out)
	out = append(out, `,"started_at":`...)
	out = appendTime(out, s.startedAt)
	out = append(out, `,"uptime_seconds":`...)
	out = strconv.AppendInt(out, int64(now.Sub(s.startedAt)/time.Second), 10)
	c.reply(http.StatusOK, append(out, '}'))
	return nil
}

// appendBusiness appends a business without its closing brace.
func appendBusiness(out []byte, business access.Business) []byte {
	out = append(out, `{"business_id":`...)
	out = appendString(out, business.ID)
	out = append(out, `,"name":`...)
	out = appendString(out, business.Name)
	out = append(out, `,"created_at":`...)
	return appendTime(out, business.CreatedAt)
}

// handleBusinessList lists all businesses.
func (s *Server) handleBusinessList(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	businesses, err := s.directory.Businesses(c.r.Context())
	if err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i, business := range businesses {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendBusiness(out, business), '}')
	}
	c.reply(http.StatusOK, append(out, "]}"...))
	return nil
}

// handleBusinessCreate makes a business and shows its first keys.
func (s *Server) handleBusinessCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	f, err := c.fields([]string{"name"}, 1)
	if err != nil {
		return err
	}
	name, _, err := f.text(0)
	if err != nil {
		return err
	}
	made, err := s.directory.CreateBusiness(c.r.Context(), access.NewBusiness{Name: name})
	if err != nil {
		return err
	}
	out := appendBusiness(c.scratch.out[:0], made.Business)
	out = append(out, `,"test_key":`...)
	out = appendString(out, made.TestKey)
	out = append(out, `,"live_key":`...)
	out = appendString(out, made.LiveKey)
	c.reply(http.StatusOK, append(out, '}'))
	return nil
}

// appendKey appends a key without its closing brace.
func appendKey(out []byte, key access.Key) []byte {
	for _, member := range []struct{ name, value string }{
		{`{"key_id":`, key.ID},
		{`,"business_id":`, key.Tenant.BusinessID},
		{`,"mode":`, string(key.Tenant.Mode)},
		{`,"name":`, key.Name},
		{`,"scope":`, string(key.Scope)},
		{`,"hint":`, key.Hint},
	} {
		out = append(out, member.name...)
		out = appendString(out, member.value)
	}
	out = append(out, `,"created_at":`...)
	out = appendTime(out, key.CreatedAt)
	out = append(out, `,"expires_at":`...)
	out = appendOptionalTime(out, key.ExpiresAt)
	out = append(out, `,"revoked_at":`...)
	return appendOptionalTime(out, key.RevokedAt)
}

const paramBusiness = "business_id"

// handleKeyList lists keys, of one business or of all.
func (s *Server) handleKeyList(c *call) error {
	q, err := c.query(paramBusiness)
	if err != nil {
		return err
	}
	business := q.get(paramBusiness)
	if business != "" {
		if _, err := s.directory.Business(c.r.Context(), business); err != nil {
			return err
		}
	}
	keys, err := s.directory.Keys(c.r.Context(), business)
	if err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i, key := range keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendKey(out, key), '}')
	}
	c.reply(http.StatusOK, append(out, "]}"...))
	return nil
}

var keyFields = []string{"business_id", "mode", "name", "scope", "expires_at"}

const (
	keyBusiness = iota
	keyMode
	keyName
	keyScope
	keyExpiresAt
	keyRequired = keyScope + 1
)

// handleKeyCreate makes a key and shows its text, this once.
func (s *Server) handleKeyCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	want, err := c.decodeKey()
	if err != nil {
		return err
	}
	key, text, err := s.directory.CreateKey(c.r.Context(), want)
	if err != nil {
		return err
	}
	out := appendKey(c.scratch.out[:0], key)
	out = append(out, `,"key":`...)
	out = appendString(out, text)
	c.reply(http.StatusOK, append(out, '}'))
	return nil
}

func (c *call) decodeKey() (want access.NewKey, err error) {
	f, err := c.fields(keyFields, keyRequired)
	if err != nil {
		return want, err
	}
	var texts [keyExpiresAt + 1]string
	var given [len(texts)]bool
	for i := range texts {
		if texts[i], given[i], err = f.text(i); err != nil {
			return want, err
		}
	}
	want = access.NewKey{
		Tenant: ledger.Tenant{BusinessID: texts[keyBusiness], Mode: ledger.Mode(texts[keyMode])},
		Name:   texts[keyName],
		Scope:  access.Scope(texts[keyScope]),
	}
	if given[keyExpiresAt] {
		want.ExpiresAt, err = parseExpiry(texts[keyExpiresAt])
	}
	return want, err
}

// handleKeyRevoke makes a key stop working.
func (s *Server) handleKeyRevoke(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	key, err := s.directory.RevokeKey(c.r.Context(), c.params[0])
	if err != nil {
		return err
	}
	out := appendKey(c.scratch.out[:0], key)
	c.reply(http.StatusOK, append(out, '}'))
	return nil
}
