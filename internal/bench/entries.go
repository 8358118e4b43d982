package bench

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// The mix: four credits to one debit, all in one currency.
const (
	creditAmount = 100
	debitAmount  = 50
	debitOneIn   = 5
	currency     = "USD"
)

// population is the customers of a ledger.
type population struct {
	ids []string // all of the same length

	// base is how many entries each customer had before the load.
	base []int64
}

// ledgerLoad is everything that was posted to one ledger over HTTP.
type ledgerLoad struct {
	population *population
	writers    atomic.Uint32

	mutex sync.Mutex
	logs  []*ackLog
}

// ack is an entry as the server acknowledged it.
type ack struct {
	key      uint64
	balance  int64
	seq      int64
	customer uint32
	isCredit bool
}

// ackLog is what one connection was told. It is kept in pieces so that growing
// it never copies.
type ackLog struct {
	pieces  [][]ack
	refused int64 // for funds

	// unsure are the entries that were answered with "busy": they may be there
	// or not. The other fields of ack are unknown.
	unsure []ack
}

const ackPiece = 4096

func (l *ackLog) add(a ack) {
	last := len(l.pieces) - 1
	if last < 0 || len(l.pieces[last]) == ackPiece {
		l.pieces = append(l.pieces, make([]ack, 0, ackPiece))
		last++
	}
	l.pieces[last] = append(l.pieces[last], a)
}

// entryWriter posts single entries, each with a key of its own.
type entryWriter struct {
	population *population
	random     *rand.Rand
	only       int // the one customer to post to, -1 for all

	// next is the number of the next key. The upper bits are the writer's.
	next uint64

	credit, debit template

	posted ack // the last request
	log    *ackLog
}

// template is a request whose customer and key are filled in place.
type template struct {
	bytes    []byte
	customer int // where the customer's id begins
	key      int // where the key begins
}

// keyDigits is the length of every idempotency key.
const keyDigits = 32

// writerBits is where the writer's number begins in the number of a key.
const writerBits = 36

// writer returns the requester of one connection that posts to all customers,
// or to one if only is not negative.
func (l *ledgerLoad) writer(only int) *entryWriter {
	w := newEntryWriter(l.population, uint64(l.writers.Add(1)), only)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.logs = append(l.logs, w.log)
	return w
}

func newEntryWriter(population *population, number uint64, only int) *entryWriter {
	return &entryWriter{
		population: population,
		random:     rand.New(rand.NewPCG(number, 0xB111F01D)),
		only:       only,
		next:       number << writerBits,
		credit:     newTemplate("credit", creditAmount, len(population.ids[0])),
		debit:      newTemplate("debit", debitAmount, len(population.ids[0])),
		log:        new(ackLog),
	}
}

func newTemplate(entryType string, amount, idLength int) template {
	body := fmt.Sprintf(`{"amount":%d,"currency":"%s","entry_type":"%s","reason":"Account funding","idempotency_key":"%s"}`,
		amount, currency, entryType, bytes.Repeat([]byte("k"), keyDigits))
	const before = http.MethodPost + " /customers/"
	head := before + string(bytes.Repeat([]byte("c"), idLength)) + "/wallets/ledger-entries HTTP/1.1\r\n" +
		"Host: bench\r\nAuthorization: Bearer " + apiKey + "\r\nContent-Type: application/json\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n"
	return template{
		bytes:    []byte(head + body),
		customer: len(before),
		key:      len(head) + len(body) - len(`"}`) - keyDigits,
	}
}

func (w *entryWriter) request() []byte {
	customer := w.only
	if customer < 0 {
		customer = w.random.IntN(len(w.population.ids))
	}
	w.posted = ack{key: w.next, customer: uint32(customer), isCredit: w.random.IntN(debitOneIn) != 0}
	w.next++
	t := &w.debit
	if w.posted.isCredit {
		t = &w.credit
	}
	copy(t.bytes[t.customer:], w.population.ids[customer])
	putKey(t.bytes[t.key:t.key+keyDigits], w.posted.key)
	return t.bytes
}

// putKey writes the text of a key. Callers' keys have no order, so the first
// half of the text is a mix of the number and the second the number itself.
func putKey(to []byte, number uint64) {
	var raw [keyDigits / 2]byte
	binary.BigEndian.PutUint64(raw[:8], mix(number))
	binary.BigEndian.PutUint64(raw[8:], number)
	hex.Encode(to, raw[:])
}

// keyNumber reads a text that putKey wrote.
func keyNumber(text string) (number uint64, ok bool) {
	var raw [keyDigits / 2]byte
	if len(text) != keyDigits {
		return 0, false
	}
	if _, err := hex.Decode(raw[:], []byte(text)); err != nil {
		return 0, false
	}
	number = binary.BigEndian.Uint64(raw[8:])
	return number, binary.BigEndian.Uint64(raw[:8]) == mix(number)
}

// mix is the finalizer of SplitMix64.
func mix(n uint64) uint64 {
	n = (n ^ n>>30) * 0xBF58476D1CE4E5B9
	n = (n ^ n>>27) * 0x94D049BB133111EB
	return n ^ n>>31
}

var (
	seqMember     = []byte(`"seq":`)
	balanceMember = []byte(`"balance":`)
	noFundsCode   = []byte(`"INSUFFICIENT_WALLET_FUNDS"`)
)

func (w *entryWriter) answer(status int, body []byte) (err error) {
	switch {
	case status == http.StatusOK:
		if w.posted.seq, err = member(body, seqMember); err != nil {
			return err
		}
		if w.posted.balance, err = member(body, balanceMember); err != nil {
			return err
		}
		w.log.add(w.posted)
		return nil
	case status == http.StatusBadRequest && bytes.Contains(body, noFundsCode):
		w.log.refused++
		return nil
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		w.log.unsure = append(w.log.unsure, w.posted)
		return nil
	}
	return fmt.Errorf("an entry was answered with %d: %s", status, body)
}

// reads sends one of some fixed requests at a time.
type reads struct {
	requests [][]byte
	random   *rand.Rand
}

func (r *reads) request() []byte { return r.requests[r.random.IntN(len(r.requests))] }

func (r *reads) answer(status int, body []byte) error {
	if status != http.StatusOK {
		return fmt.Errorf("a read was answered with %d: %s", status, body)
	}
	return nil
}

// getRequest is a GET of a path.
func getRequest(path string) []byte {
	return []byte(http.MethodGet + " " + path + " HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer " + apiKey + "\r\n\r\n")
}
