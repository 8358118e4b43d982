package hosted

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/billfold/billfold/internal/ledger"
)

// Root is the path under which all pages are.
const Root = "/pay/"

// What a token leads to.
const (
	toInvoice = 'i'
	toSetup   = 's'
)

// tokenMax is more than any token is long.
const tokenMax = 400

// Links makes the links of pages, and reads them. A link is made of what it leads to and
// of the secret key alone, so that nothing of it stands in the database, the same page has
// the same link for ever, and nobody without the key makes one: a token is the encrypted
// name of one invoice, with 128 bits that prove it.
type Links struct {
	base string
	linkKey
	old []linkKey // which read and do not make
}

type linkKey struct {
	aead  cipher.AEAD
	nonce []byte // the key of nonces
}

// NewLinks returns links below an address such as https://pay.example.com, under the
// secret of an installation; those that were made under the secrets that it had before
// still lead on. No secret draws one, and links end with the process.
func NewLinks(base string, secret []byte, old ...[]byte) (*Links, error) {
	base, err := BaseURL(base)
	if err != nil {
		return nil, err
	}
	if secret == nil {
		secret = make([]byte, 32)
		_, _ = rand.Read(secret) // never fails
	}
	l := &Links{base: base}
	if l.linkKey, err = newLinkKey(secret); err != nil {
		return nil, err
	}
	for _, secret := range old {
		key, err := newLinkKey(secret)
		if err != nil {
			return nil, err
		}
		l.old = append(l.old, key)
	}
	return l, nil
}

// BaseURL checks the address below which pages are, and returns it without a slash at its
// end: https with a host, or http, and nothing else but a path.
func BaseURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" ||
		u.Fragment != "" || strings.ContainsAny(text, "?#\\\"'<> \t\r\n") {
		return "", fmt.Errorf("%q is not an http or https address, such as https://pay.example.com", text)
	}
	return strings.TrimRight(text, "/"), nil
}

// BaseOf is the address of a server that listens at an address and was told no other: of
// one that listens everywhere, this machine's own.
func BaseOf(listens net.Addr, secure bool) string {
	scheme, host := "http://", listens.String()
	if secure {
		scheme = "https://"
	}
	if tcp, ok := listens.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return scheme + host
}

func newLinkKey(secret []byte) (key linkKey, err error) {
	if len(secret) < 16 {
		return key, errors.New("the secret of links must have 16 bytes or more")
	}
	sealing, err := hkdf.Key(sha256.New, secret, nil, "billfold.pay.v1", 32)
	if err != nil {
		return key, err
	}
	if key.nonce, err = hkdf.Key(sha256.New, secret, nil, "billfold.pay.nonce.v1", 32); err != nil {
		return key, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return key, err
	}
	key.aead, err = cipher.NewGCM(block)
	return key, err
}

// page is what a token leads to.
type page struct {
	kind   byte
	tenant ledger.Tenant
	id     string
}

var modes = map[ledger.Mode]string{ledger.Test: "t", ledger.Live: "l"}

// Invoice is the token of the page on which an invoice is paid: the client_secret of its
// payment.
func (l *Links) Invoice(tenant ledger.Tenant, id string) string {
	return l.token(page{toInvoice, tenant, id})
}

// Setup is the token of the page on which a card is saved.
func (l *Links) Setup(tenant ledger.Tenant, id string) string {
	return l.token(page{toSetup, tenant, id})
}

// URL is the link of a token's page.
func (l *Links) URL(token string) string { return l.base + Root + token }

// Origin is the origin of all links.
func (l *Links) Origin() string {
	u, _ := url.Parse(l.base) // it was checked
	return u.Scheme + "://" + u.Host
}

// token encrypts a page. The nonce is made of what is encrypted, so that one is never used
// for two pages.
func (l *Links) token(p page) string {
	text := []byte(string(p.kind) + modes[p.tenant.Mode] + p.tenant.BusinessID + "/" + p.id)
	mac := hmac.New(sha256.New, l.nonce)
	_, _ = mac.Write(text) // never fails
	nonce := mac.Sum(nil)[:l.aead.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(l.aead.Seal(nonce, nonce, text, nil))
}

// open reads a token, and reports whether it is one.
func (l *Links) open(token string) (p page, ok bool) {
	if len(token) > tokenMax || strings.ContainsAny(token, "\r\n") {
		return p, false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return p, false
	}
	text, ok := l.linkKey.open(sealed)
	for i := 0; !ok && i < len(l.old); i++ {
		text, ok = l.old[i].open(sealed)
	}
	if !ok || len(text) < 3 {
		return p, false
	}
	p.kind = text[0]
	for mode, letter := range modes {
		if letter[0] == text[1] {
			p.tenant.Mode = mode
		}
	}
	p.tenant.BusinessID, p.id, ok = strings.Cut(text[2:], "/")
	return p, ok
}

func (k *linkKey) open(sealed []byte) (string, bool) {
	size := k.aead.NonceSize()
	if len(sealed) < size {
		return "", false
	}
	text, err := k.aead.Open(nil, sealed[:size], sealed[size:], nil)
	return string(text), err == nil
}
