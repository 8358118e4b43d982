package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/pgtest"
)

// Installation is a server of PostgreSQL and what instances need to share it.
type Installation struct {
	Cluster *pgtest.Cluster
	URL     string

	secret string // file
}

// NewInstallation starts a server of the machine's own release with an empty
// database, and stops it when the test ends.
func NewInstallation(t testing.TB) *Installation {
	t.Helper()
	return NewInstallationOf(t, pgtest.New)
}

// NewInstallationOf is NewInstallation of any release, such as release.New, and
// with more settings of the server.
func NewInstallationOf(
	t testing.TB, start func(dir string, settings ...string) (*pgtest.Cluster, error), settings ...string,
) *Installation {
	t.Helper()
	cluster, err := start(filepath.Join(pgtest.Dir(t), "data"), append([]string{"max_connections=100"}, settings...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Signal(syscall.SIGQUIT) }) // the test may have ended it
	return InstallOn(t, cluster, cluster.Database(t, ""))
}

// InstallOn is an installation on an empty database of a server.
func InstallOn(t testing.TB, cluster *pgtest.Cluster, url string) *Installation {
	t.Helper()
	i := &Installation{Cluster: cluster, URL: url, secret: filepath.Join(t.TempDir(), "secret.key")}
	writeFile(t, i.secret, []byte(hex.EncodeToString(make([]byte, 32))))
	return i
}

// Options are those of an instance that serves at an address, empty for any.
func (i *Installation) Options(t testing.TB, addr string) Options {
	return Options{
		Dir: filepath.Join(t.TempDir(), "data"), Addr: addr,
		Arguments: []string{"--database-url", i.URL, "--secret-key-file", i.secret},
	}
}

// Verify wants every law kept in the database, by the verb that an operator has.
func (i *Installation) Verify(t testing.TB) Verified {
	t.Helper()
	return verifyStore(t, "--database-url", i.URL)
}

// Deployment is what clients speak to: one process on the embedded store, or
// several instances on one server of PostgreSQL. Whatever is promised of the
// one must hold of the others.
type Deployment struct {
	Servers []*Server

	installation *Installation // nil: the embedded store
	secure       *certificate  // nil: plain HTTP
	binary       string
	arguments    []string
}

// Deployments runs a test on each kind of deployment: on the embedded store,
// and on two and three instances that share a server of PostgreSQL. When the
// test is done, the servers are stopped and every law must hold.
func Deployments(t *testing.T, options DeployOptions, test func(t *testing.T, d *Deployment)) {
	for _, kind := range []struct {
		name      string
		instances int
	}{{"embedded", 0}, {"two instances", 2}, {"three instances", 3}} {
		t.Run(kind.name, func(t *testing.T) {
			options.Instances = kind.instances
			d := Deploy(t, options)
			test(t, d)
			d.Stop(t)
			d.Verify(t)
		})
	}
}

// DeployOptions say what to deploy.
type DeployOptions struct {
	// Instances is how many share a new server of PostgreSQL. 0 means one
	// process on the embedded store.
	Instances int

	// Secure servers speak TLS, and with it HTTP/2.
	Secure bool

	// Arguments are more flags of serve.
	Arguments []string

	// Binary is what to run, empty for the one that is tested.
	Binary string
}

// Deploy starts servers that stop when the test ends.
func Deploy(t testing.TB, options DeployOptions) *Deployment {
	t.Helper()
	d := &Deployment{binary: options.Binary, arguments: options.Arguments}
	if options.Secure {
		d.secure = newCertificate(t)
	}
	if options.Instances > 0 {
		d.installation = NewInstallation(t)
	}
	for range max(options.Instances, 1) {
		d.Servers = append(d.Servers, Start(t, d.options(t, filepath.Join(t.TempDir(), "data"), "")))
	}
	return d
}

func (d *Deployment) options(t testing.TB, dir, addr string) Options {
	options := Options{Dir: dir, Addr: addr, Binary: d.binary, certificate: d.secure}
	if d.installation != nil {
		options.Arguments = d.installation.Options(t, addr).Arguments
	}
	options.Arguments = append(options.Arguments, d.arguments...)
	return options
}

// Restart starts an instance that was killed, where its clients know it.
func (d *Deployment) Restart(t testing.TB, n int) *Server {
	t.Helper()
	killed := d.Servers[n]
	d.Servers[n] = Start(t, d.options(t, killed.Dir, killed.Addr))
	if d.Servers[n].BootID == killed.BootID {
		t.Fatalf("boot id: got %s again, want a new one with every start", killed.BootID)
	}
	return d.Servers[n]
}

// Stop stops every server in order.
func (d *Deployment) Stop(t testing.TB) {
	t.Helper()
	for _, server := range d.Servers {
		server.Stop(t)
	}
}

// Verify wants every law kept.
func (d *Deployment) Verify(t testing.TB) Verified {
	t.Helper()
	return verifyStore(t, d.store()...)
}

// Run runs a verb of an operator on what the servers keep.
func (d *Deployment) Run(t testing.TB, verb ...string) Result {
	t.Helper()
	return Run(t, slices.Concat(verb, d.store())...)
}

// store are the flags that name what the servers keep.
func (d *Deployment) store() []string {
	if d.installation != nil {
		return []string{"--database-url", d.installation.URL}
	}
	return []string{"--data-dir", d.Servers[0].Dir}
}

// NewKey makes one more API key of the test mode and returns its id and text.
func (d *Deployment) NewKey(t testing.TB) (id, text string) {
	t.Helper()
	var made struct {
		ID   string `json:"key_id"`
		Text string `json:"key"`
	}
	result := d.Run(t, "keys", "create", "--mode", "test", "--name", "one more", "-o", "json")
	if err := json.Unmarshal([]byte(result.Stdout), &made); err != nil || made.ID == "" || made.Text == "" {
		t.Fatalf("keys create: got %d, %q, %v; want a key", result.Code, result.Stdout+result.Stderr, err)
	}
	return made.ID, made.Text
}

// RevokeKey makes an API key stop working.
func (d *Deployment) RevokeKey(t testing.TB, id string) {
	t.Helper()
	if result := d.Run(t, "keys", "revoke", id); result.Code != 0 {
		t.Fatalf("keys revoke: got %d, %q", result.Code, result.Stderr)
	}
}

// certificate is a self-signed one of this machine, and who trusts it.
type certificate struct {
	cert, key string // files
	roots     *x509.CertPool
}

func newCertificate(t testing.TB) *certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := &certificate{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), roots: x509.NewCertPool()}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	writeFile(t, c.cert, text)
	writeFile(t, c.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	if !c.roots.AppendCertsFromPEM(text) {
		t.Fatal("the certificate is not one")
	}
	return c
}

func writeFile(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(fmt.Errorf("write %s: %w", path, err))
	}
}
