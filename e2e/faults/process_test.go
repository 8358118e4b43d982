package faults

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
)

// TestSecondProcess starts a second server on a directory that one holds.
func TestSecondProcess(t *testing.T) {
	server := harness.Start(t, harness.Options{})
	refusesToStart(t, server.Dir, "in use by process "+strconv.Itoa(server.PID()), "--data-dir")
	if _, err := server.Client().CreateCustomer(t.Context(), "After the second"); err != nil {
		t.Errorf("the first server after the second was refused: %v", err)
	}
	server.Stop(t)
	// The lock goes with the process, also when the process had no time to
	// give it back.
	server = harness.Start(t, harness.Options{Dir: server.Dir})
	server.Kill()
	harness.Start(t, harness.Options{Dir: server.Dir}).Stop(t)
}

// TestStopUnderLoad asks the server to stop while it is written to. What it had
// accepted is finished and answered: no request without an answer may turn out
// to have happened.
func TestStopUnderLoad(t *testing.T) {
	const stops = 8
	campaign := harness.NewCampaign(t)
	random := campaign.Rand(1)
	server := harness.Start(t, harness.Options{})
	load := harness.StartLoad(t, campaign, server, harness.LoadOptions{Writers: 24, Customers: 16, Patient: true})
	var slowest time.Duration
	for n := range stops {
		load.Await("acknowledged entries of this boot", load.Acknowledged, 1+random.Int64N(200))
		slow := begin(t, server, harness.Post{
			CustomerID: load.Customers()[0], Amount: 1, Currency: "EUR", EntryType: "credit", Key: fmt.Sprintf("slow-%d", n),
		})
		began := time.Now()
		server.Signal(syscall.SIGTERM)
		awaitRefusal(t, server)
		// The server no longer takes requests, but this one it has begun.
		slow.finish(t)
		slowest = max(slowest, server.Stopped(t, began))
		load.Down()
		campaign.Add("stops", 1)
		boot := server.BootID
		server = harness.Start(t, harness.Options{Dir: server.Dir, Addr: server.Addr})
		if server.BootID == boot {
			t.Fatalf("boot id: got %s again, want a new one", boot)
		}
		load.Up(server)
	}
	load.StopAfter(100)
	load.Check(t, server)
	server.Stop(t)
	harness.Verify(t, server.Dir)
	campaign.Add("slowest stop in ms", slowest.Milliseconds())
	if got := load.Happened(); got != 0 {
		t.Errorf("requests without an answer that had happened: got %d, want none after a stop by SIGTERM", got)
	}
	campaign.Want("stops", stops)
}

// begun is a request that the server has taken up: it has read the head and
// asked for the body, of which it has a half.
type begun struct {
	conn    net.Conn
	answers *bufio.Reader
	rest    []byte
}

// begin sends the head with Expect: 100-continue, which net/http answers when
// the handler starts to read the body. Without that answer the connection may
// still wait in the kernel, and a server that stops closes it unread.
func begin(t *testing.T, server *harness.Server, post harness.Post) *begun {
	t.Helper()
	request, err := server.Client().NewPost(t.Context(), post)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Expect", "100-continue")
	var text bytes.Buffer
	if err := request.Write(&text); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	cut := text.Len() - 20
	if _, err := conn.Write(text.Bytes()[:cut]); err != nil {
		t.Fatal(err)
	}
	begun := &begun{conn: conn, answers: bufio.NewReader(conn), rest: text.Bytes()[cut:]}
	if status := begun.answer(t); status != http.StatusContinue {
		t.Fatalf("a request with half of its body: got status %d, want %d", status, http.StatusContinue)
	}
	return begun
}

// answer reads the next answer on the connection.
func (b *begun) answer(t *testing.T) int {
	t.Helper()
	if err := b.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(b.answers, nil)
	if err != nil {
		t.Fatalf("the answer to a request that was begun before SIGTERM: %v", err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// finish sends the rest and wants an answer of the API: the currency is not
// enabled, which only a whole request can be refused for.
func (b *begun) finish(t *testing.T) {
	t.Helper()
	if _, err := b.conn.Write(b.rest); err != nil {
		t.Fatalf("the rest of a request that was begun before SIGTERM: %v", err)
	}
	if status := b.answer(t); status != http.StatusUnprocessableEntity {
		t.Errorf("a request that was begun before SIGTERM: got status %d, want 422 for its currency", status)
	}
}

// awaitRefusal waits until the server takes no more connections.
func awaitRefusal(t *testing.T, server *harness.Server) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", server.Addr)
		if err != nil {
			return
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("connections after SIGTERM: got them accepted for 10 s, want them refused")
		}
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
		}
	}
}

// TestFewFileHandles gives the server 64 file handles and takes most of them
// with idle connections. Who has a connection is served, who has none waits,
// and nothing is lost.
func TestFewFileHandles(t *testing.T) {
	const handles = 64
	campaign := harness.NewCampaign(t)
	server := harness.Start(t, harness.Options{
		Dir: filepath.Join(t.TempDir(), "data"), Before: []string{"prlimit", fmt.Sprintf("--nofile=%d:%d", handles, handles)},
	})
	load := harness.StartLoad(t, campaign, server, harness.LoadOptions{Writers: 8, Customers: 8, Patient: true})
	load.Await("acknowledged entries", load.Acknowledged, 50)
	var idle []net.Conn
	for range 3 * handles {
		conn, err := net.Dial("tcp", server.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		idle = append(idle, conn)
	}
	campaign.Add("idle connections", int64(len(idle)))
	load.Await("acknowledged entries without file handles to spare", load.Acknowledged, 500)
	for _, conn := range idle {
		_ = conn.Close()
	}
	fresh := harness.NewClient("http://"+server.Addr, harness.TestKey)
	defer fresh.Close()
	if _, err := fresh.CreateCustomer(t.Context(), "After the idle connections"); err != nil {
		t.Errorf("a new connection after the idle ones went away: %v", err)
	}
	load.Stop()
	load.Check(t, server)
	server.Stop(t)
	harness.Verify(t, server.Dir)
}

// TestTooFewFileHandles starts the server with fewer file handles than it needs
// to open its store.
func TestTooFewFileHandles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	server := harness.Begin(t, harness.Options{Dir: dir, Before: []string{"prlimit", "--nofile=9:9"}})
	select {
	case <-server.Exited():
	case <-time.After(15 * time.Second):
		t.Fatal("start with 9 file handles: got a server that runs, want it refused")
	}
	if code := server.ExitCode(); code != 1 || !strings.Contains(server.Log(), "billfold: ") {
		t.Errorf("start with 9 file handles: got exit code %d, want 1 and words for the operator\n%s", code, server.Log())
	}
	if strings.Contains(server.Log(), "goroutine ") {
		t.Errorf("start with 9 file handles: got a panic\n%s", server.Log())
	}
	harness.Start(t, harness.Options{Dir: dir}).Stop(t)
}
