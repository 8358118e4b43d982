package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// URLMax is the longest URL of a receiver, in bytes.
const URLMax = 2048

// ErrRefusedAddress is the cause of a failure when a receiver's name leads to an
// address that nothing may be sent to.
var ErrRefusedAddress = errors.New("the address is not public")

// Guard decides where messages may go: to public addresses, over TLS.
type Guard struct {
	loopback bool
	guardian *ssrf.Guardian
}

var (
	loopbackV4 = netip.MustParsePrefix("127.0.0.0/8")
	loopbackV6 = netip.MustParsePrefix("::1/128")
)

// inside are addresses that look public and lead to the machines of a cloud.
var inside = []netip.Prefix{netip.MustParsePrefix("168.63.129.16/32")} // Azure's WireServer

// NewGuard makes a guard. With loopback, receivers on this machine are reached as
// well, over plain HTTP if they like: for development and for tests.
func NewGuard(loopback bool) *Guard {
	var allowed []netip.Prefix
	if loopback {
		allowed = []netip.Prefix{loopbackV4, loopbackV6}
	}
	return newGuard(loopback, allowed...)
}

func newGuard(loopback bool, allowed ...netip.Prefix) *Guard {
	var v4, v6 []netip.Prefix
	for _, prefix := range allowed {
		if prefix.Addr().Is4() {
			v4 = append(v4, prefix)
		} else {
			v6 = append(v6, prefix)
		}
	}
	return &Guard{
		loopback: loopback,
		guardian: ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...),
			ssrf.WithDeniedV4Prefixes(inside...)),
	}
}

// control is called for each connection before it is made, with the address that a
// name has led to.
func (g *Guard) control(network, address string, raw syscall.RawConn) error {
	if err := g.guardian.Safe(network, address, raw); err != nil {
		return fmt.Errorf("%w: %s", ErrRefusedAddress, address)
	}
	return nil
}

// refusedNames are reserved for the network that one is in.
var refusedNames = []string{"localhost", "local", "internal", "localdomain", "lan", "intranet", "home.arpa"}

// CheckURL says what is wrong with the URL of a receiver, in a sentence for its
// owner. It resolves no name: what a name leads to is looked at when it is used.
func (g *Guard) CheckURL(text string) error {
	if len(text) > URLMax {
		return fmt.Errorf("a URL has at most %d bytes", URLMax)
	}
	for _, r := range text {
		if r <= ' ' || r > '~' || r == '\\' {
			return errors.New("a URL is written in printable ASCII; send the host's name in punycode and the path in percent-encoding")
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return errors.New("the URL cannot be read; send one such as https://example.com/webhooks")
	}
	if u.User != nil {
		return errors.New("the URL must hold no user and no password; send them in a header")
	}
	host := strings.ToLower(u.Hostname())
	local, err := g.checkHost(host)
	if err != nil {
		return err
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return errors.New("the URL must begin with https://")
	}
	if strings.HasSuffix(u.Host, ":") {
		return errors.New("the URL has a colon and no port")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("the URL's port must be 1 to 65535")
		}
	}
	return nil
}

// checkHost refuses addresses that are not public and names that are not of the
// Internet. Local says that the host is this machine and that this is allowed.
func (g *Guard) checkHost(host string) (local bool, err error) {
	if address, err := netip.ParseAddr(host); err == nil {
		if address.Zone() != "" || g.guardian.SafeAddr(address) != nil {
			return false, errors.New("the URL's address is not public")
		}
		return g.loopback && address.IsLoopback(), nil
	}
	if g.loopback && host == "localhost" {
		return true, nil
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := labels[len(labels)-1]
	switch {
	case strings.ContainsFunc(host, func(r rune) bool { return !isHostRune(r) }) || slices.Contains(labels, ""):
		return false, errors.New("the URL's host is not a name of the Internet")
	case strings.HasPrefix(last, "0x") || last[0] >= '0' && last[0] <= '9':
		// Resolvers read 2130706433, 0x7f.1 and 127.1 as addresses.
		return false, errors.New("the URL's host looks like an address and is none; write it as four decimal numbers")
	case len(labels) == 1 || slices.ContainsFunc(refusedNames, func(name string) bool {
		return strings.HasSuffix("."+strings.Join(labels, "."), "."+name)
	}):
		return false, errors.New("the URL's host is a name of a private network")
	}
	return false, nil
}

func isHostRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_'
}

// dialer makes connections that the guard lets through.
func (g *Guard) dialer(resolver *net.Resolver) *net.Dialer {
	return &net.Dialer{Timeout: connectWithin, Resolver: resolver, Control: g.control}
}
