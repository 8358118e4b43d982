package cli

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the networks of the proxies that stand before the server and are believed
// about whom they ask for.
type proxies []netip.Prefix

// Set reads addresses and networks, with commas between them.
func (p *proxies) Set(text string) error {
	var read proxies
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		network, err := netip.ParsePrefix(part)
		if address, failed := netip.ParseAddr(part); failed == nil && address.Zone() == "" {
			network, err = netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("%q is not an IP address or a network such as 10.0.0.0/8", part)
		}
		read = append(read, network.Masked())
	}
	*p = read
	return nil
}

func (p *proxies) String() string {
	texts := make([]string, len(*p))
	for i, network := range *p {
		texts[i] = network.String()
	}
	return strings.Join(texts, ",")
}

func (p proxies) have(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// caller is whom a request comes from: its peer or, while that is a trusted proxy, whom it
// names last in X-Forwarded-For. What stands before an address that is not trusted is what
// that one says, and counts for nothing.
func (p proxies) caller(peer netip.Addr, header []string) netip.Addr {
	named := strings.Split(strings.Join(header, ","), ",")
	for i := len(named) - 1; i >= 0 && p.have(peer); i-- {
		text := strings.TrimSpace(named[i])
		next, err := netip.ParseAddr(text)
		if withPort, failed := netip.ParseAddrPort(text); err != nil && failed == nil {
			next, err = withPort.Addr(), nil // some proxies write the port as well
		}
		if err != nil {
			return peer
		}
		peer = next.Unmap().WithZone("")
	}
	return peer
}

// behind has a handler see the address of the caller in place of that of a trusted proxy.
func (p proxies) behind(handler http.Handler) http.Handler {
	if len(p) == 0 {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err == nil && p.have(peer.Addr()) {
			from := *r
			from.RemoteAddr = netip.AddrPortFrom(p.caller(peer.Addr(), r.Header["X-Forwarded-For"]), peer.Port()).String()
			r = &from
		}
		handler.ServeHTTP(w, r)
	})
}
