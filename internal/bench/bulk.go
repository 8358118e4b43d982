package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
)

const (
	// bulkLines is how many entries one request of the bulk scenario has, and
	// bulkConnections how many such requests are under way.
	bulkLines       = 1000
	bulkConnections = 4
)

// bulkWriter posts entries by the thousand, one on a line, each with a key of its
// own.
type bulkWriter struct {
	population *population
	random     *rand.Rand
	next       uint64 // as in entryWriter

	head, body []byte
	posted     []ack // the lines of the last request
	log        *ackLog
}

// bulkWriter returns the requester of one connection.
func (l *ledgerLoad) bulkWriter() *bulkWriter {
	w := newBulkWriter(l.population, uint64(l.writers.Add(1)))
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.logs = append(l.logs, w.log)
	return w
}

func newBulkWriter(population *population, number uint64) *bulkWriter {
	return &bulkWriter{
		population: population,
		random:     rand.New(rand.NewPCG(number, 0xB111F01D)),
		next:       number << writerBits,
		log:        new(ackLog),
	}
}

func (w *bulkWriter) request() []byte {
	w.body, w.posted = w.body[:0], w.posted[:0]
	for range bulkLines {
		w.line()
	}
	w.head = append(w.head[:0], "POST /ledger-entries/bulk HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer "+apiKey+
		"\r\nContent-Type: application/x-ndjson\r\nContent-Length: "...)
	w.head = strconv.AppendInt(w.head, int64(len(w.body)), 10)
	w.head = append(append(w.head, "\r\n\r\n"...), w.body...)
	return w.head
}

func (w *bulkWriter) line() {
	customer := w.random.IntN(len(w.population.ids))
	a := ack{key: w.next, customer: uint32(customer), isCredit: w.random.IntN(debitOneIn) != 0}
	w.next++
	w.posted = append(w.posted, a)
	entryType, amount := "debit", int64(debitAmount)
	if a.isCredit {
		entryType, amount = "credit", creditAmount
	}
	var key [keyDigits]byte
	putKey(key[:], a.key)
	w.body = append(append(w.body, `{"customer_id":"`...), w.population.ids[customer]...)
	w.body = strconv.AppendInt(append(w.body, `","amount":`...), amount, 10)
	w.body = append(append(w.body, `,"currency":"`+currency+`","entry_type":"`...), entryType...)
	w.body = append(append(w.body, `","reason":"Account funding","idempotency_key":"`...), key[:]...)
	w.body = append(w.body, "\"}\n"...)
}

var (
	resultMember  = []byte(`{"index":`)
	appliedStatus = []byte(`"status":"applied"`)
)

func (w *bulkWriter) answer(status int, body []byte) error {
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.log.unsure = append(w.log.unsure, w.posted...)
		return nil
	}
	_, results, found := bytes.Cut(body, resultMember)
	if status != http.StatusOK || !found {
		return fmt.Errorf("a bulk was answered with %d: %.300s", status, body)
	}
	for i := range w.posted {
		var result []byte
		result, results, _ = bytes.Cut(results, resultMember)
		if number, err := parseNumber(result); err != nil || number != i {
			return fmt.Errorf("line %d of a bulk was answered with %.300q", i, result)
		}
		if err := w.result(&w.posted[i], result); err != nil {
			return err
		}
	}
	return nil
}

// result takes what became of one line.
func (w *bulkWriter) result(a *ack, result []byte) (err error) {
	switch {
	case bytes.Contains(result, appliedStatus):
		if a.seq, err = member(result, seqMember); err != nil {
			return err
		}
		if a.balance, err = member(result, balanceMember); err != nil {
			return err
		}
		w.log.add(*a)
	case bytes.Contains(result, noFundsCode):
		w.log.refused++
	case bytes.Contains(result, []byte(`"retryable":true`)):
		w.log.unsure = append(w.log.unsure, *a)
	default:
		return fmt.Errorf("a line of a bulk was answered with %s", result)
	}
	return nil
}

// emptyBulk makes the same requests of the handler that they are compared with.
type emptyBulk struct{ *bulkWriter }

func (emptyBulk) answer(status int, body []byte) error {
	if status != http.StatusOK {
		return fmt.Errorf("the empty handler answered with %d: %s", status, body)
	}
	return nil
}

// bulk is the measurement of bulks on some sites. What it counts are entries.
func (b *bench) bulk(sites []*site) measurement {
	m := measurement{
		name:        "entries, " + numberText(bulkLines) + " in a bulk",
		connections: bulkConnections,
		entries:     bulkLines,
		empty:       func() requester { return emptyBulk{newBulkWriter(sites[0].load.population, 0)} },
	}
	for _, s := range sites {
		m.contenders = append(m.contenders, contender{
			store: s.store, servers: s.servers[:1], requester: func() requester { return s.load.bulkWriter() },
		})
	}
	return m
}
