package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"

	"github.com/billfold/billfold/internal/access"
)

// firstKeys are what the first start made. A nil firstKeys means that this is
// not the first start.
type firstKeys struct {
	business access.Business
	testKey  string
	liveKey  string

	// brought says that the operator gave the keys, who need not be told them.
	brought bool
}

// bootstrap makes the first business with its keys when there is none yet.
func bootstrap(
	ctx context.Context, config Config, directory *access.Directory, logger *slog.Logger,
) (*firstKeys, error) {
	businesses, err := directory.Businesses(ctx)
	if err != nil {
		return nil, fmt.Errorf("list businesses: %w", err)
	}
	if len(businesses) > 0 {
		warnOfUnusedKeys(ctx, config, directory, logger)
		return nil, nil
	}
	made, err := directory.CreateBusiness(ctx, access.NewBusiness{
		Name: config.BootstrapBusiness, TestKey: config.BootstrapTestKey, LiveKey: config.BootstrapLiveKey,
	})
	if err != nil {
		return nil, fmt.Errorf("make the first business: %w", err)
	}
	return &firstKeys{
		business: made.Business, testKey: made.TestKey, liveKey: made.LiveKey, brought: config.BootstrapTestKey != "",
	}, nil
}

// warnOfUnusedKeys tells an operator who changed the bootstrap keys of an
// installation that this does not change its keys.
func warnOfUnusedKeys(ctx context.Context, config Config, directory *access.Directory, logger *slog.Logger) {
	for _, key := range []struct{ name, text string }{
		{envName("bootstrap-test-key"), config.BootstrapTestKey},
		{envName("bootstrap-live-key"), config.BootstrapLiveKey},
	} {
		if key.text == "" {
			continue
		}
		if _, _, err := directory.Authenticate(ctx, key.text); err != nil {
			logger.Warn("this key does not work: bootstrap keys count at the first start only; "+
				"use `billfold keys create`", "variable", key.name)
		}
	}
}

// banner says where the server is, the first keys when they were made just now, and the
// link with which the first user joins: nothing else ever shows them again.
func banner(to io.Writer, config Config, addr net.Addr, first *firstKeys, link string) {
	var b strings.Builder
	base := config.scheme() + "://" + reachable(addr)
	fmt.Fprintf(&b, "Billfold %s is ready.\n\n", buildVersion().Version)
	fmt.Fprintf(&b, "  API   %s\n  Data  %s\n\n", base, config.place())
	if first != nil {
		key := first.testKey
		if first.brought {
			key = "$" + envName("bootstrap-test-key")
			fmt.Fprintf(&b, "First start: made the business %q (%s) with the keys that you brought.\n\n",
				printable(first.business.Name), first.business.ID)
		} else {
			fmt.Fprintf(&b, "First start: made the business %q (%s) with these keys.\n"+
				"They are shown only this once; keep them in a safe place.\n\n  test key  %s\n  live key  %s\n\n",
				printable(first.business.Name), first.business.ID, first.testKey, first.liveKey)
		}
		fmt.Fprintf(&b, "Try it:\n\n  curl -s %s/customers \\\n    -H \"Authorization: Bearer %s\" \\\n"+
			"    -H \"Content-Type: application/json\" \\\n    -d '{\"email\":\"jane@example.com\",\"name\":\"Jane Doe\"}'\n\n",
			base, key)
	}
	if link != "" {
		fmt.Fprintf(&b, "Nobody can sign in yet. Whoever opens this link first becomes the owner; it works once, for\n"+
			"seven days. `billfold team link` makes another:\n\n  %s\n\n", link)
	}
	fmt.Fprint(to, b.String())
}

// reachable is an address that a client on this machine can use: one that
// stands for every interface is shown as this machine.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
