//go:build failpoints

package collect

import (
	"context"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// FailpointVariable names where the program kills itself, in three words: "before" or
// "after", the step, and the customer whom it is about. A step is a commit that leaves an
// object in a state, such as "invoice:card_ok", or a call of the processor, such as
// "call:confirm".
const FailpointVariable = "FAILPOINT_OF_COLLECTION"

// failpoint is where the program dies.
type failpoint struct{ when, step, customer string }

// failpoints has the program die where the variable says.
func failpoints(store ledger.Store, p Processors) (ledger.Store, Processors) {
	words := strings.Fields(os.Getenv(FailpointVariable))
	if len(words) != 3 {
		return store, p
	}
	at := failpoint{words[0], words[1], words[2]}
	return &mortalStore{store, at}, func(invoice *Invoice) processor.Processor {
		of := p(invoice)
		if of == nil || invoice.CustomerID != at.customer {
			return of
		}
		return &mortalProcessor{of, at}
	}
}

// pass dies here if it is the place. Nothing of the process runs any more then.
func (f failpoint) pass(when, step, customer string) {
	if f == (failpoint{when, step, customer}) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

type mortalStore struct {
	ledger.Store
	at failpoint
}

func (s *mortalStore) Transact(
	ctx context.Context, scope ledger.Scope, decide ledger.Decide,
) (ledger.Change, error) {
	mortal, after := s.mortal(ledger.Command{Scope: scope, Decide: decide})
	change, err := s.Store.Transact(ctx, scope, mortal.Decide)
	if err == nil {
		after()
	}
	return change, err
}

func (s *mortalStore) TransactMany(
	ctx context.Context, commands []ledger.Command, atomic bool,
) ([]ledger.Outcome, error) {
	commands = slices.Clone(commands)
	after := make([]func(), len(commands))
	for i, command := range commands {
		commands[i], after[i] = s.mortal(command)
	}
	outcomes, err := s.Store.TransactMany(ctx, commands, atomic)
	for i := range outcomes {
		if err == nil && outcomes[i].Err == nil {
			after[i]()
		}
	}
	return outcomes, err
}

// mortal is a command that dies before what it makes is committed, if that is the place,
// and what is to be called when it was.
func (s *mortalStore) mortal(command ledger.Command) (mortal ledger.Command, after func()) {
	var made []string
	decide, customer := command.Decide, command.Scope.CustomerID
	command.Decide = func(snapshot ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(snapshot)
		made = nil
		if err != nil || change.Replayed {
			return change, err
		}
		for i := range change.Objects {
			object := &change.Objects[i].Object
			made = append(made, string(object.Kind)+":"+object.State)
		}
		s.passAll("before", made, customer)
		return change, nil
	}
	return command, func() { s.passAll("after", made, customer) }
}

func (s *mortalStore) passAll(when string, steps []string, customer string) {
	for _, step := range steps {
		s.at.pass(when, step, customer)
	}
}

type mortalProcessor struct {
	processor.Processor
	at failpoint
}

// around dies before or after a call.
func around[T any](p *mortalProcessor, step string, call func() (T, error)) (T, error) {
	p.at.pass("before", "call:"+step, p.at.customer)
	answer, err := call()
	p.at.pass("after", "call:"+step, p.at.customer)
	return answer, err
}

func (p *mortalProcessor) Create(ctx context.Context, r processor.Request) (billing.Report, error) {
	return around(p, "create", func() (billing.Report, error) { return p.Processor.Create(ctx, r) })
}

func (p *mortalProcessor) Confirm(ctx context.Context, paymentID string) (billing.Report, error) {
	return around(p, "confirm", func() (billing.Report, error) { return p.Processor.Confirm(ctx, paymentID) })
}

func (p *mortalProcessor) Refund(ctx context.Context, r processor.RefundRequest) (processor.RefundStatus, error) {
	return around(p, "refund", func() (processor.RefundStatus, error) { return p.Processor.Refund(ctx, r) })
}
