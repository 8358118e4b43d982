package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// checkResult says what was compared.
type checkResult struct {
	store        string
	acknowledged int64
	refused      int64
	customers    int64 // that had an entry acknowledged
	verified     int64 // entries that verify recomputed
	took         time.Duration
}

// errDiffers is in the error of every run whose ledger is not what was
// acknowledged.
var errDiffers = errors.New("the ledger is not what the server acknowledged")

// problems collects differences. The first few are told in full.
type problems struct {
	mutex sync.Mutex
	count int64
	texts []string
}

const problemsTold = 10

func (p *problems) add(format string, args ...any) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.count++
	if len(p.texts) < problemsTold {
		p.texts = append(p.texts, fmt.Sprintf(format, args...))
	}
}

func (p *problems) err() error {
	if p.count == 0 {
		return nil
	}
	errs := []error{fmt.Errorf("%w: %d differences", errDiffers, p.count)}
	for _, text := range p.texts {
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// customerAcks is what was acknowledged to one customer, by seq, and what may
// have been posted to it.
type customerAcks struct {
	customer uint32
	acks     []ack
	unsure   map[uint64]bool
}

// collect sorts everything that was acknowledged by customer.
func (l *ledgerLoad) collect() (byCustomer []customerAcks, result checkResult) {
	var all, unsure []ack
	for _, log := range l.logs {
		for _, piece := range log.pieces {
			all = append(all, piece...)
		}
		unsure = append(unsure, log.unsure...)
		result.refused += log.refused
	}
	result.acknowledged = int64(len(all))
	slices.SortFunc(all, func(a, b ack) int {
		return cmp.Or(cmp.Compare(a.customer, b.customer), cmp.Compare(a.seq, b.seq))
	})
	places := make(map[uint32]int)
	for len(all) > 0 {
		customer := all[0].customer
		n, _ := slices.BinarySearchFunc(all, customer+1, func(a ack, c uint32) int { return cmp.Compare(a.customer, c) })
		places[customer] = len(byCustomer)
		byCustomer = append(byCustomer, customerAcks{customer: customer, acks: all[:n]})
		all = all[n:]
	}
	result.customers = int64(len(byCustomer))
	for _, a := range unsure {
		at, ok := places[a.customer]
		if !ok {
			at = len(byCustomer)
			places[a.customer] = at
			byCustomer = append(byCustomer, customerAcks{customer: a.customer})
		}
		if byCustomer[at].unsure == nil {
			byCustomer[at].unsure = make(map[uint64]bool)
		}
		byCustomer[at].unsure[a.key] = true
	}
	return byCustomer, result
}

// checkers is how many customers are compared at a time.
const checkers = 4

// check fetches the entries of every customer back and compares them with what
// was acknowledged. It returns how many entries there must be in all.
func (l *ledgerLoad) check(ctx context.Context, addr string) (total int64, result checkResult, err error) {
	byCustomer, result := l.collect()
	var found problems
	var next, present atomic.Int64
	errs := make([]error, checkers)
	var group sync.WaitGroup
	for i := range checkers {
		group.Go(func() {
			lister := newLister(addr)
			defer lister.close()
			for n := next.Add(1) - 1; n < int64(len(byCustomer)); n = next.Add(1) - 1 {
				unsure, err := l.checkCustomer(ctx, lister, &byCustomer[n], &found)
				if err != nil {
					errs[i] = err
					return
				}
				present.Add(unsure)
			}
		})
	}
	group.Wait()
	for _, base := range l.population.base {
		total += base
	}
	total += result.acknowledged + present.Load()
	return total, result, errors.Join(append(errs, found.err())...)
}

// checkCustomer compares one customer. It returns how many of the entries of
// which nobody was sure are there.
func (l *ledgerLoad) checkCustomer(
	ctx context.Context, lister *lister, expected *customerAcks, found *problems,
) (unsure int64, err error) {
	id, base := l.population.ids[expected.customer], l.population.base[expected.customer]
	met := make([]bool, len(expected.acks))
	last := int64(0)
	for e, err := range lister.entries(ctx, id) {
		if err != nil {
			return 0, err
		}
		if last != 0 && e.Seq != last-1 {
			found.add("%s: entry %d follows entry %d", id, e.Seq, last)
		}
		if last = e.Seq; e.Seq <= base {
			break
		}
		number, ok := keyNumber(e.Key)
		i, hit := slices.BinarySearchFunc(expected.acks, e.Seq, func(a ack, seq int64) int { return cmp.Compare(a.seq, seq) })
		switch {
		case !ok:
			found.add("%s: entry %d has the key %q, which was never sent", id, e.Seq, e.Key)
		case hit && expected.acks[i].key == number:
			met[i] = true
			expected.acks[i].compare(id, &e, found)
		case expected.unsure[number]:
			delete(expected.unsure, number) // a second time it is one too many
			unsure++
		default:
			found.add("%s: entry %d with the key %q was not acknowledged", id, e.Seq, e.Key)
		}
	}
	for i, there := range met {
		if !there {
			a := &expected.acks[i]
			found.add("%s: the acknowledged entry %d is lost, which left a balance of %d", id, a.seq, a.balance)
		}
	}
	return unsure, nil
}

// compare compares an entry with its acknowledgement.
func (a *ack) compare(id string, e *listedEntry, found *problems) {
	amount := int64(debitAmount)
	if a.isCredit {
		amount = creditAmount
	}
	if e.Amount != amount || e.IsCredit != a.isCredit || e.After != a.balance {
		found.add("%s: entry %d is %d (credit: %v) and leaves %d; acknowledged were %d (credit: %v) and %d",
			id, e.Seq, e.Amount, e.IsCredit, e.After, amount, a.isCredit, a.balance)
	}
}

// listedEntry is what is read of an entry.
type listedEntry struct {
	Key      string `json:"idempotency_key"`
	Seq      int64  `json:"seq"`
	Amount   int64  `json:"amount"`
	IsCredit bool   `json:"is_credit"`
	After    int64  `json:"after_balance"`
}

// lister reads lists of entries as any client would. It shares nothing with
// the generator's own way of speaking HTTP.
type lister struct {
	base   string
	client *http.Client
}

const listedPage = 100

func newLister(addr string) *lister {
	return &lister{
		base:   "http://" + addr,
		client: &http.Client{Transport: &http.Transport{}, Timeout: answerTimeout},
	}
}

func (l *lister) close() { l.client.CloseIdleConnections() }

// page is one page of entries.
type page struct {
	Items []listedEntry `json:"items"`
	Next  *string       `json:"next_cursor"`
}

func (l *lister) page(ctx context.Context, customer string, query url.Values) (p page, err error) {
	address := l.base + "/customers/" + customer + "/wallets/ledger-entries?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return p, err
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	response, err := l.client.Do(request)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return p, fmt.Errorf("GET %s: status %d", address, response.StatusCode)
	}
	return p, json.NewDecoder(response.Body).Decode(&p)
}

// entries walks over a customer's entries, newest first.
func (l *lister) entries(ctx context.Context, customer string) func(yield func(listedEntry, error) bool) {
	return func(yield func(listedEntry, error) bool) {
		query := url.Values{"page_size": {fmt.Sprint(listedPage)}}
		for {
			p, err := l.page(ctx, customer, query)
			if err != nil {
				yield(listedEntry{}, err)
				return
			}
			for _, e := range p.Items {
				if !yield(e, nil) {
					return
				}
			}
			if p.Next == nil {
				return
			}
			query.Set("cursor", *p.Next)
		}
	}
}
