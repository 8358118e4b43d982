package harness

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"
)

// Volley sends calls so that they arrive together, shared out among servers:
// all but the last byte of each first, and when every server-side reader waits
// for that byte, the last bytes of all. It returns the answers in the order of
// the calls.
type Volley func(t testing.TB, servers []*Server, calls []Call) []Answer

// shot is a request of which only the last byte is missing. Fire sends it and
// reads the answer.
type shot struct {
	fire  func() (Answer, error)
	close func()
}

// Salvo is the volley in which each call has a connection of its own.
func Salvo(t testing.TB, servers []*Server, calls []Call) []Answer {
	t.Helper()
	shots := make([]shot, len(calls))
	for i, call := range calls {
		shots[i] = loadConnection(t, servers[i%len(servers)].Client(), call)
		defer shots[i].close()
	}
	return fire(t, shots)
}

func loadConnection(t testing.TB, client *Client, call Call) shot {
	t.Helper()
	request, err := client.NewCall(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := request.Write(&text); err != nil {
		t.Fatal(err)
	}
	var conn net.Conn
	addr, secure := strings.CutPrefix(client.base, "https://")
	if secure {
		conn, err = tls.Dial("tcp", addr, &tls.Config{
			RootCAs: client.transport.TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		})
	} else {
		conn, err = net.Dial("tcp", strings.TrimPrefix(client.base, "http://"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(requestMax)); err != nil {
		t.Fatal(err)
	}
	cut := text.Len() - 1
	if _, err := conn.Write(text.Bytes()[:cut]); err != nil {
		t.Fatal(err)
	}
	fire := func() (Answer, error) {
		if _, err := conn.Write(text.Bytes()[cut:]); err != nil {
			return Answer{}, err
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), request)
		return answerOf(response, err)
	}
	return shot{fire: fire, close: func() { _ = conn.Close() }} // what it had to say has been read
}

// streamsMax is how many streams the server allows on one connection.
const streamsMax = 100

// Streams is the volley in which the calls are streams of as few HTTP/2
// connections as the server allows. The servers must be secure.
func Streams(t testing.TB, servers []*Server, calls []Call) []Answer {
	t.Helper()
	shots := make([]shot, len(calls))
	clients := map[string]*Client{}
	for i, call := range calls {
		server, number := servers[i%len(servers)], i/len(servers)/streamsMax
		name := fmt.Sprint(server.Addr, " ", number)
		if clients[name] == nil {
			clients[name] = server.Client().As(server.Client().key)
			defer clients[name].Close()
			// The first request makes the connection that all others take.
			if _, _, err := clients[name].get(t.Context(), "/healthz"); err != nil {
				t.Fatal(err)
			}
		}
		shots[i] = loadStream(t, clients[name], call)
		defer shots[i].close()
	}
	return fire(t, shots)
}

// loadStream opens a stream and returns when all but the last byte are sent.
func loadStream(t testing.TB, client *Client, call Call) shot {
	t.Helper()
	fresh := false
	trace := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { fresh = !got.Reused }}
	request, err := client.NewCall(httptrace.WithClientTrace(t.Context(), trace), call)
	if err != nil {
		t.Fatal(err)
	}
	body := newHeldBody(t, request.Body)
	request.Body = body
	type result struct {
		answer Answer
		err    error
	}
	done := make(chan result, 1)
	go func() {
		response, err := client.http.Do(request)
		if err == nil && (fresh || response.ProtoMajor != 2) {
			err = fmt.Errorf("got a connection of its own or %s, want a stream of the one HTTP/2 connection", response.Proto)
		}
		answer, err := answerOf(response, err)
		done <- result{answer, err}
	}()
	select {
	case <-body.held:
	case early := <-done:
		t.Fatalf("a stream ended before its last byte was sent: %s, %v", early.answer, early.err)
	}
	fire := func() (Answer, error) {
		body.release()
		result := <-done
		return result.answer, result.err
	}
	return shot{fire: fire, close: body.release}
}

// heldBody is a body that keeps its last byte back until it is released.
type heldBody struct {
	first, last []byte
	held        chan struct{} // closed when all but the last byte was taken
	free        chan struct{} // closed by release
	holding     sync.Once
	release     func()
}

func newHeldBody(t testing.TB, body io.Reader) *heldBody {
	t.Helper()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	b := &heldBody{held: make(chan struct{}), free: make(chan struct{})}
	b.first, b.last = text[:len(text)-1], text[len(text)-1:]
	b.release = sync.OnceFunc(func() { close(b.free) })
	return b
}

func (b *heldBody) Read(p []byte) (n int, err error) {
	if len(b.first) > 0 {
		n = copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	// Whoever asks for more has sent what it was given.
	b.holding.Do(func() { close(b.held) })
	<-b.free
	n = copy(p, b.last)
	b.last = b.last[n:]
	if len(b.last) == 0 {
		err = io.EOF
	}
	return n, err
}

func (b *heldBody) Close() error {
	b.release()
	return nil
}

// fire lets go of all shots at once and returns their answers.
func fire(t testing.TB, shots []shot) []Answer {
	t.Helper()
	var (
		start   = make(chan struct{})
		ready   sync.WaitGroup
		done    sync.WaitGroup
		answers = make([]Answer, len(shots))
		errs    = make([]error, len(shots))
	)
	for i, s := range shots {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			answers[i], errs[i] = s.fire()
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("shot %d: got error %v, want an answer", i, err)
		}
	}
	return answers
}
