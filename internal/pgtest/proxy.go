package pgtest

import (
	"bufio"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Cut says what a [Proxy] does with a connection that is about to commit.
type Cut int32

// The cuts.
const (
	CutNothing Cut = iota
	CutBefore      // the server never sees the COMMIT
	CutAfter       // the server commits, and nobody hears of it
	CutLate        // nobody hears of it, and the server commits only after [Proxy.Late]
)

// Cuts decides about commits: one in twenty is cut off until n are, half of them
// before the server has them and half after.
func Cuts(random *rand.Rand, n int) (decide func() Cut) {
	deck := make([]Cut, n)
	for i := range deck {
		deck[i] = []Cut{CutBefore, CutAfter}[i%2]
	}
	random.Shuffle(n, func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	var mu sync.Mutex
	return func() Cut {
		mu.Lock()
		defer mu.Unlock()
		if len(deck) == 0 || random.IntN(20) > 0 {
			return CutNothing
		}
		cut := deck[0]
		deck = deck[1:]
		return cut
	}
}

// Proxy stands between a store and its server, understands as much of what they
// say as it needs, and cuts connections at their COMMIT.
type Proxy struct {
	// Late is called between a [CutLate] and its COMMIT. It is set before the
	// proxy is used.
	Late func()

	listener net.Listener
	server   string
	decide   func() Cut
	cuts     atomic.Int64
	mu       sync.Mutex
	conns    map[net.Conn]struct{}
}

// Server is what a proxy can stand in front of: a [Cluster], or [At] a URL.
type Server interface{ Address() string }

// At is the server that a URL leads to.
type At string

// Address implements [Server]. Nothing is at what is no URL.
func (a At) Address() string {
	server, err := url.Parse(string(a))
	if err != nil {
		return ""
	}
	return server.Host
}

// NewProxy starts a proxy in front of a server. Decide is asked at every COMMIT
// that has something before it.
func NewProxy(t testing.TB, server Server, decide func() Cut) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, server: server.Address(), decide: decide, conns: map[net.Conn]struct{}{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.CloseAll()
		running.Wait()
	})
	return p
}

// URL is how a database is reached through the proxy.
func (p *Proxy) URL(direct string) string {
	return strings.Replace(direct, p.server, p.listener.Addr().String(), 1)
}

// Cuts is how many connections were cut at their COMMIT.
func (p *Proxy) Cuts() int64 { return p.cuts.Load() }

// CloseAll cuts every connection, wherever it is.
func (p *Proxy) CloseAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
}

func (p *Proxy) track(conn net.Conn) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = struct{}{}
	return func() {
		_ = conn.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, conn)
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer p.track(client)()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer p.track(server)()
	var muted atomic.Bool // nothing of what the server says goes through any more
	var answers sync.WaitGroup
	answers.Go(func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if n > 0 && !muted.Load() {
				_, err = client.Write(buffer[:n])
			}
			if err != nil {
				_ = client.Close()
				return
			}
		}
	})
	p.forward(client, server, &muted)
	if muted.Load() {
		// The server has the COMMIT. It finishes before it sees the end.
		_ = server.(*net.TCPConn).CloseWrite()
		_ = client.Close()
		answers.Wait()
		return
	}
	_ = server.Close()
	answers.Wait()
}

// forward passes on what a client says, message by message, until its end or
// its cut.
func (p *Proxy) forward(client io.ReadCloser, server io.Writer, muted *atomic.Bool) {
	reader := bufio.NewReaderSize(client, 64<<10)
	startup := make([]byte, 4)
	if _, err := io.ReadFull(reader, startup); err != nil {
		return
	}
	if err := pass(reader, server, startup, int(binary.BigEndian.Uint32(startup))-4); err != nil {
		return
	}
	commits := map[string]bool{} // names of prepared statements that are a COMMIT
	var late []byte              // what the server is to have later, COMMIT first
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(reader, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(reader, body); err != nil {
			return
		}
		if isCommit(head[0], body, commits) {
			switch p.decide() {
			case CutBefore:
				p.cuts.Add(1)
				return
			case CutAfter:
				p.cuts.Add(1)
				muted.Store(true)
			case CutLate:
				p.cuts.Add(1)
				muted.Store(true)
				late = []byte{}
			}
		}
		const sync = 'S'
		last := muted.Load() && (head[0] == sync || head[0] == 'Q')
		message := append(head, body...)
		if late != nil {
			late = append(late, message...)
			if !last {
				continue
			}
			_ = client.Close()
			p.Late()
			message = late
		}
		if _, err := server.Write(message); err != nil || last {
			return
		}
	}
}

func pass(reader io.Reader, server io.Writer, head []byte, rest int) error {
	if _, err := server.Write(head); err != nil {
		return err
	}
	_, err := io.CopyN(server, reader, int64(rest))
	return err
}

// isCommit reports whether a message of a client asks for a COMMIT: as a text,
// or as the run of a statement that was prepared from one.
func isCommit(kind byte, body []byte, commits map[string]bool) bool {
	switch kind {
	case 'Q':
		text, _, _ := strings.Cut(string(body), "\x00")
		return strings.EqualFold(strings.TrimSpace(text), "commit")
	case 'P':
		name, rest, _ := strings.Cut(string(body), "\x00")
		text, _, _ := strings.Cut(rest, "\x00")
		commits[name] = strings.EqualFold(strings.TrimSpace(text), "commit")
	case 'B':
		_, rest, _ := strings.Cut(string(body), "\x00")
		name, _, _ := strings.Cut(rest, "\x00")
		return commits[name]
	}
	return false
}
