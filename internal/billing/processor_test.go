package billing_test

import (
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/money"
)

// processor behaves as card processors do: payments are created unconfirmed and cost
// nothing until they are confirmed, a key gives the first answer again and is
// forgotten after a day, searches are late, what is final stays so.
type processor struct {
	w        *world
	payments []*payment
	keys     map[string]keyed
	missed   map[string]bool // keys that a search did not find although there was a payment
	notices  []billing.Notice

	// fates are what comes of attempts, in the order in which they are confirmed;
	// later ones succeed.
	fates []fate
}

// payment is one at the processor.
type payment struct {
	id, key   string
	amount    money.Amount
	status    billing.Status
	hard      bool
	confirmed bool
	then      billing.Status // what it becomes at an instant, empty: it stays
	at        time.Time

	charged, refunded money.Amount
}

// keyed is what a key was used for.
type keyed struct {
	payment *payment
	at      time.Time
}

// fate is what comes of a confirmation.
type fate struct {
	status billing.Status
	hard   bool
	then   billing.Status // after a while, empty: never
	after  time.Duration
}

// forgets is when a processor forgets a key: not before it may, and not at once.
const forgets = billing.KeyLives + time.Hour

func (p *processor) become(m *payment, status billing.Status) {
	m.status = status
	if status == billing.ChargeSucceeded {
		m.charged = m.amount
	}
	p.notices = append(p.notices, billing.Notice{Attempt: attemptOf(m.key), Report: p.report(m)})
}

func (p *processor) report(m *payment) billing.Report {
	return billing.Report{PaymentID: m.id, Status: m.status, Amount: m.amount, Currency: "USD", Hard: m.hard}
}

// pass has everything happen that is due.
func (p *processor) pass() {
	for _, m := range p.payments {
		if m.then != "" && !p.w.now.Before(m.at) {
			then := m.then
			m.then = ""
			if then == billing.Processing {
				m.then, m.at = billing.ChargeSucceeded, p.w.now.Add(time.Hour)
			}
			p.become(m, then)
		}
	}
}

// soonest is when something happens next, zero for never.
func (p *processor) soonest() (at time.Time) {
	for _, m := range p.payments {
		if m.then != "" && (at.IsZero() || m.at.Before(at)) {
			at = m.at
		}
	}
	return at
}

// call carries a task out and returns its answer.
func (p *processor) call(task billing.Task) billing.Input {
	p.pass()
	switch task.Do {
	case billing.DoCreate:
		return billing.Answer{Attempt: task.Attempt, Report: p.report(p.create(task))}
	case billing.DoSearch:
		for _, m := range p.payments {
			if m.key == task.Key {
				return billing.Answer{Attempt: task.Attempt, Report: p.report(m)}
			}
		}
		return billing.NotFound{Attempt: task.Attempt, IntendedAt: task.IntendedAt}
	}
	for _, m := range p.payments {
		if m.id != task.PaymentID {
			continue
		}
		switch {
		case task.Do == billing.DoConfirm:
			p.confirm(m)
		case task.Do == billing.DoCancel && m.status != billing.ChargeSucceeded && m.status != billing.Processing:
			m.then = ""
			if m.status != billing.ChargeFailed {
				p.become(m, billing.ChargeFailed)
			}
		case task.Do == billing.DoReturn:
			if m.charged == 0 {
				p.w.complain("F1: payment %s goes back and was never charged", m.key)
			}
			m.refunded = m.charged // once, whatever the key
			return billing.ReturnDone{Attempt: task.Attempt}
		}
		return billing.Answer{Attempt: task.Attempt, Report: p.report(m)}
	}
	p.w.complain("%s of payment %q, which there is not", task.Do, task.PaymentID)
	return billing.NotFound{Attempt: task.Attempt, IntendedAt: task.IntendedAt}
}

func (p *processor) create(task billing.Task) *payment {
	if used, ok := p.keys[task.Key]; ok && p.w.now.Before(used.at.Add(forgets)) {
		return used.payment
	}
	if task.Amount < walletMinimum {
		p.w.complain("S4: %d are less than the minimum", task.Amount)
	}
	for _, m := range p.payments {
		if attemptOf(m.key) == task.Attempt && !p.missed[m.key] {
			p.w.complain("attempt %d has a second payment, %s", task.Attempt, task.Key)
		}
	}
	m := &payment{id: fmt.Sprintf("pi_%d", len(p.payments)+1), key: task.Key, amount: task.Amount}
	p.payments = append(p.payments, m)
	p.keys[task.Key] = keyed{m, p.w.now}
	p.become(m, billing.RequiresConfirmation)
	return m
}

func (p *processor) confirm(m *payment) {
	if m.confirmed || m.status != billing.RequiresConfirmation {
		return
	}
	m.confirmed = true
	f := fate{status: billing.ChargeSucceeded}
	if len(p.fates) > 0 {
		f, p.fates = p.fates[0], p.fates[1:]
	}
	m.hard = f.hard
	if f.then != "" {
		m.then, m.at = f.then, p.w.now.Add(f.after)
	}
	p.become(m, f.status)
}
