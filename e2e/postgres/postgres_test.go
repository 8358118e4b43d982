// Package postgres runs several instances of the real binary on one PostgreSQL
// server, kills them and the server, and holds whoever is left to every answer
// that any of them gave.
package postgres

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/pgtest"
)

var killsFlag = flag.Int("kills", 40, "how often an instance is killed with a request on its way")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// installation is a server of PostgreSQL and what instances need to share it.
type installation struct {
	cluster *pgtest.Cluster
	url     string
	secret  string // file
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	cluster, err := pgtest.New(filepath.Join(pgtest.Dir(t), "data"), "max_connections=100")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Signal(syscall.SIGQUIT) }) // the test may have ended it
	i := &installation{cluster: cluster, url: cluster.Database(t, ""), secret: filepath.Join(t.TempDir(), "secret.key")}
	if err := os.WriteFile(i.secret, []byte(hex.EncodeToString(make([]byte, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

// options are those of an instance that serves at an address.
func (i *installation) options(t *testing.T, addr string) harness.Options {
	return harness.Options{
		Dir: filepath.Join(t.TempDir(), "data"), Addr: addr,
		Arguments: []string{"--database-url", i.url, "--secret-key-file", i.secret},
	}
}

// verify wants every law kept in the database, by the verb that an operator has.
func (i *installation) verify(t *testing.T) (entries int64) {
	t.Helper()
	result := harness.Run(t, "verify", "--database-url", i.url, "-o", "json")
	var verified harness.Verified
	if err := json.Unmarshal([]byte(result.Stdout), &verified); err != nil || result.Code != 0 || !verified.Clean {
		t.Fatalf("verify: got exit code %d, %q and %q; want every law kept", result.Code, result.Stdout, result.Stderr)
	}
	return verified.Entries
}

// TestInstancesKilled kills one of two instances while it is written to; the
// writers go on with the other, to which they repeat what they had no answer to.
func TestInstancesKilled(t *testing.T) {
	campaign := harness.NewCampaign(t)
	random := campaign.Rand(1)
	i := newInstallation(t)
	serving, other := harness.Start(t, i.options(t, "")), harness.Start(t, i.options(t, ""))
	load := harness.StartLoad(t, campaign, serving, harness.LoadOptions{Writers: 24, Customers: 24})
	for campaign.Count("kills") < int64(*killsFlag) {
		load.Await("acknowledged entries of this instance", load.Acknowledged, 1+random.Int64N(100))
		unanswered := load.Unanswered()
		serving.Kill()
		load.Await("requests that the kill left without an answer", load.Unanswered, 1-(load.Unanswered()-unanswered))
		load.Up(other)
		campaign.Add("kills", 1)
		addr := serving.Addr
		serving, other = other, harness.Start(t, i.options(t, addr))
	}
	load.Stop()
	checked := load.Check(t, other)
	if got := i.verify(t); got != checked.Entries {
		t.Errorf("verify: got %d entries, want %d", got, checked.Entries)
	}
	serving.Stop(t)
	other.Stop(t)
	campaign.Want("unanswered", int64(*killsFlag))
	campaign.Want("acknowledged", 1000)
}

// TestServerKilled kills PostgreSQL itself under an instance. The instance stays
// up, refuses what it cannot do, and serves again by itself.
func TestServerKilled(t *testing.T) {
	const kills = 5
	campaign := harness.NewCampaign(t)
	i := newInstallation(t)
	instance := harness.Start(t, i.options(t, ""))
	load := harness.StartLoad(t, campaign, instance, harness.LoadOptions{Writers: 24, Customers: 24, Patient: true})
	for range kills {
		load.Await("acknowledged entries", load.Acknowledged, 200)
		if err := i.cluster.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := i.cluster.Start(); err != nil {
			t.Fatal(err)
		}
		campaign.Add("kills", 1)
	}
	load.Await("acknowledged entries", load.Acknowledged, 200)
	load.Stop()
	checked := load.Check(t, instance)
	if got := i.verify(t); got != checked.Entries {
		t.Errorf("verify: got %d entries, want %d", got, checked.Entries)
	}
	instance.Stop(t)
	campaign.Want("acknowledged", 1000)
}

// TestRevokedEverywhere revokes a key with one instance: the other must refuse
// it within a second (law N3).
func TestRevokedEverywhere(t *testing.T) {
	i := newInstallation(t)
	one, two := harness.Start(t, i.options(t, "")), harness.Start(t, i.options(t, ""))
	for _, server := range []*harness.Server{one, two} {
		if _, err := server.Client().CreateCustomer(t.Context(), "Before"); err != nil {
			t.Fatal(err)
		}
	}
	result := harness.Run(t, "keys", "list", "--database-url", i.url, "-o", "json")
	var keys struct {
		Items []struct {
			KeyID string `json:"key_id"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(result.Stdout), &keys); err != nil || len(keys.Items) != 2 {
		t.Fatalf("keys list: got %d, %q, %v; want two keys", result.Code, result.Stdout+result.Stderr, err)
	}
	for _, key := range keys.Items {
		if revoked := harness.Run(t, "keys", "revoke", key.KeyID, "--database-url", i.url); revoked.Code != 0 {
			t.Fatalf("keys revoke: got %d, %q", revoked.Code, revoked.Stderr)
		}
	}
	time.Sleep(time.Second)
	for _, server := range []*harness.Server{one, two} {
		if _, err := server.Client().CreateCustomer(t.Context(), "After"); err == nil {
			t.Error("a second after the key was revoked: got it accepted, want it refused by every instance")
		}
	}
}
