package cli

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
)

// Each kind of event comes about through the API, and is in the feed.
func TestTrigger(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	client := &apiClient{http: s.client, base: s.base, key: s.testKey}
	for _, kind := range ledger.EventKinds() {
		made := decode[map[string]string](t, cli("trigger", string(kind), "-o", "json"))
		wanted := kind
		if kind == ledger.WalletFundsExpired || kind == ledger.WalletFundsExpiring {
			wanted = ledger.WalletCredited // it takes up to a minute until the next sweep
		}
		if kind == ledger.WalletHoldExpired {
			wanted = ledger.WalletHoldCreated // it takes a minute as well
		}
		var page eventPage
		_, err := client.call(t.Context(), request{method: http.MethodGet, path: "/events", query: url.Values{
			"types": {string(wanted)}, "customer_id": {made["customer_id"]},
		}}, &page)
		if err != nil || len(page.Items) == 0 || !strings.Contains(string(page.Items[0]), made["customer_id"]) {
			t.Errorf("%s: got %s and error %v, want an event of customer %s", kind, page.Items, err, made["customer_id"])
		}
	}
	cli("trigger", "wallet.none").wantCode(t, exitUsage, "wallet.balance_low")
	cli("trigger", "payment.succeeded").wantCode(t, exitUsage, "told by billing")
	cli("trigger").wantCode(t, exitUsage)
	environ := append(s.environ(), "BILLFOLD_API_KEY="+s.liveKey)
	run(t, environ, "trigger", "wallet.credited").wantCode(t, exitUsage, "test key")
	run(t, nil, "verify", "--data-dir", s.dir).wantCode(t, exitDone)
}
