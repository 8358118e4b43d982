package ledger_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/ledger"
)

func TestError(t *testing.T) {
	t.Parallel()
	plain := ledger.Errorf(ledger.CodeOverloaded, "too many of %d", 7)
	if got, want := plain.Error(), "OVERLOADED: too many of 7"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if plain.Unwrap() != nil {
		t.Errorf("got cause %v, want none", plain.Unwrap())
	}
	caused := plain.WithCause(io.ErrUnexpectedEOF)
	if got, want := caused.Error(), "OVERLOADED: too many of 7: unexpected EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(caused, io.ErrUnexpectedEOF) || plain.Unwrap() != nil {
		t.Errorf("got causes %v and %v, want one in the copy and none in the first", caused.Unwrap(), plain.Unwrap())
	}
	field := ledger.FieldErrorf(ledger.CodeInvalidName, "name", "no %s", "name")
	if field.Param != "name" || field.Message != "no name" || field.Code != ledger.CodeInvalidName {
		t.Errorf("got %+v, want code, param and message as given", field)
	}
}

func TestCodeOf(t *testing.T) {
	t.Parallel()
	ours := ledger.Errorf(ledger.CodeNotFound, "nobody")
	for _, test := range []struct {
		err  error
		want ledger.Code
	}{
		{nil, ""},
		{ours, ledger.CodeNotFound},
		{fmt.Errorf("load: %w", ours), ledger.CodeNotFound},
		{errors.Join(io.EOF, ours), ledger.CodeNotFound},
		{ledger.Errorf(ledger.CodeInternal, "x").WithCause(ours), ledger.CodeInternal},
		{io.EOF, ledger.CodeInternal},
	} {
		if got := ledger.CodeOf(test.err); got != test.want {
			t.Errorf("%v: got code %q, want %q", test.err, got, test.want)
		}
	}
}

func TestModeValid(t *testing.T) {
	t.Parallel()
	for mode, want := range map[ledger.Mode]bool{ledger.Test: true, ledger.Live: true, "": false, "Test": false, "live ": false} {
		if got := mode.Valid(); got != want {
			t.Errorf("mode %q: got valid %v, want %v", mode, got, want)
		}
	}
}

// The seven words are the published format's; a strict client knows no other.
func TestEventTypes(t *testing.T) {
	t.Parallel()
	want := []ledger.EventType{
		"payment", "payment_reversal", "refund", "refund_reversal", "dispute", "dispute_reversal", "merchant_adjustment",
	}
	if diff := cmp.Diff(want, ledger.EventTypes()); diff != "" {
		t.Errorf("event types (-want +got):\n%s", diff)
	}
}
