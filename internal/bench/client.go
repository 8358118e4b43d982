package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// client is one kept-open HTTP/1.1 connection. It knows as much of HTTP as the
// two servers that it talks to need: answers with a Content-Length.
type client struct {
	conn   net.Conn
	reader *bufio.Reader
	body   []byte
}

// answerTimeout bounds the wait for one answer. It is far above every time-out
// of the server, so that running into it means a hang.
const answerTimeout = 30 * time.Second

func dial(ctx context.Context, addr string) (*client, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, reader: bufio.NewReaderSize(conn, 16<<10), body: make([]byte, 0, 4<<10)}, nil
}

func (c *client) close() error { return c.conn.Close() }

// deadline gives the requests that follow until the time to be answered. One
// system call for many requests is enough.
func (c *client) deadline(at time.Time) error { return c.conn.SetDeadline(at) }

var (
	contentLength = []byte("content-length:")
	errNoLength   = errors.New("an answer without a Content-Length")
)

// do sends a request and reads the answer. The body is valid until the next
// call.
func (c *client) do(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if status, err = parseStatus(line); err != nil {
		return 0, nil, err
	}
	length := -1
	for {
		if line, err = c.reader.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := cutHeader(line, contentLength); ok {
			if length, err = parseNumber(value); err != nil {
				return 0, nil, err
			}
		}
	}
	if length < 0 {
		return 0, nil, errNoLength
	}
	if length > cap(c.body) {
		c.body = make([]byte, 0, 2*length)
	}
	body = c.body[:length]
	for read := 0; read < length; {
		n, err := c.reader.Read(body[read:])
		if err != nil {
			return 0, nil, err
		}
		read += n
	}
	return status, body, nil
}

// parseStatus reads "HTTP/1.1 200 OK".
func parseStatus(line []byte) (int, error) {
	if len(line) < 12 || string(line[:9]) != "HTTP/1.1 " {
		return 0, fmt.Errorf("the answer begins with %q", line)
	}
	return parseNumber(line[9:12])
}

// cutHeader returns the value of a header line if it has the name, which ends
// with the colon and is in lower case.
func cutHeader(line, name []byte) ([]byte, bool) {
	if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], name) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name):]), true
}

// parseNumber reads a number that is not negative, up to the first byte that is
// no digit.
func parseNumber(text []byte) (int, error) {
	number, digits := 0, 0
	for _, c := range text {
		if c < '0' || c > '9' {
			break
		}
		number = number*10 + int(c-'0')
		digits++
	}
	if digits == 0 || digits > 18 {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return number, nil
}

// member reads a number in a JSON object that was written without white space,
// such as 7 from {"seq":7}.
func member(body, name []byte) (int64, error) {
	_, after, found := bytes.Cut(body, name)
	if !found {
		return 0, fmt.Errorf("no member %s in %q", name, body)
	}
	number, err := parseNumber(after)
	return int64(number), err
}
