package harness

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Salvo sends requests so that they arrive together: each on a connection of
// its own, all but the last byte first, and when every server-side reader
// waits for that byte, the last bytes of all. It returns the answers in the
// order of the requests.
func Salvo(t testing.TB, client *Client, posts []Post) []Answer {
	t.Helper()
	shots := make([]*shot, len(posts))
	for i, post := range posts {
		shots[i] = loadShot(t, client, post)
		defer shots[i].conn.Close() //nolint:errcheck // what it had to say has been read
	}
	var (
		fire    = make(chan struct{})
		ready   sync.WaitGroup
		done    sync.WaitGroup
		answers = make([]Answer, len(posts))
		errs    = make([]error, len(posts))
	)
	for i, s := range shots {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-fire
			answers[i], errs[i] = s.fire()
		})
	}
	ready.Wait()
	close(fire)
	done.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("shot %d: got error %v, want an answer", i, err)
		}
	}
	return answers
}

// shot is a request of which only the last byte is missing.
type shot struct {
	conn    net.Conn
	request *http.Request
	last    []byte
}

func loadShot(t testing.TB, client *Client, post Post) *shot {
	t.Helper()
	request, err := client.NewPost(t.Context(), post)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := request.Write(&text); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(client.base, "http://"))
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
	return &shot{conn: conn, request: request, last: text.Bytes()[cut:]}
}

func (s *shot) fire() (Answer, error) {
	if _, err := s.conn.Write(s.last); err != nil {
		return Answer{}, err
	}
	response, err := http.ReadResponse(bufio.NewReader(s.conn), s.request)
	if err != nil {
		return Answer{}, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	return Answer{Status: response.StatusCode, Header: response.Header, Body: body}, err
}
