package checkpoint_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/checkpoint"
	"github.com/billfold/billfold/internal/verify"
)

var (
	key   = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	other = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	at    = time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC)
)

func public(key ed25519.PrivateKey) ed25519.PublicKey {
	half, _ := key.Public().(ed25519.PublicKey)
	return half
}

func heads() []verify.Head {
	return []verify.Head{
		{BusinessID: "bus_a", Mode: "live", CustomerID: "cus_1", Position: 3, Hash: [32]byte{1}},
		{BusinessID: "bus_a", Mode: "test", CustomerID: "cus_1"},
		{BusinessID: "bus_b", Mode: "test", CustomerID: "cus_1", Position: 1, Hash: [32]byte{2}, AuditPosition: 2, AuditHash: [32]byte{3}},
		{BusinessID: "bus_a", Mode: "test", CustomerID: "cus_2", Position: 1 << 40, Hash: [32]byte{4}, ObjectNumber: 7, ObjectHash: [32]byte{5}},
	}
}

func sums() []verify.AccountSum {
	return []verify.AccountSum{
		{BusinessID: "bus_a", Mode: "test", Currency: "USD", Account: "wallets", Sum: "5"},
		{BusinessID: "bus_a", Mode: "test", Currency: "USD", Account: "merchant", Sum: "-5"},
	}
}

func written(t *testing.T, heads []verify.Head, at time.Time) (string, checkpoint.Seal) {
	t.Helper()
	return writtenWith(t, heads, sums(), at)
}

func writtenWith(
	t *testing.T, heads []verify.Head, sums []verify.AccountSum, at time.Time,
) (string, checkpoint.Seal) {
	t.Helper()
	var file bytes.Buffer
	w := checkpoint.NewWriter(&file)
	for _, head := range heads {
		if err := w.Head(head); err != nil {
			t.Fatal(err)
		}
	}
	seal, err := w.Seal(sums, at, "v1.2.3", key)
	if err != nil {
		t.Fatal(err)
	}
	return file.String(), seal
}

func read(file string, key ed25519.PrivateKey) (checkpoint.Seal, []verify.Head, error) {
	var got []verify.Head
	seal, err := checkpoint.Read(strings.NewReader(file), public(key), func(head verify.Head) error {
		got = append(got, head)
		return nil
	})
	return seal, got, err
}

func TestACheckpointIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, want := range [][]verify.Head{nil, heads()} {
		file, seal := written(t, want, at)
		got, read, err := read(file, key)
		if err != nil || got != seal || !slices.Equal(read, want) {
			t.Errorf("got %+v %v %v, want %+v %v", got, read, err, seal, want)
		}
		if !seal.At.Equal(at) || seal.Customers != int64(len(want)) || seal.KeyID != checkpoint.KeyID(public(key)) {
			t.Errorf("got %+v, want %d customers at %s", seal, len(want), at)
		}
	}
}

// The same state makes the same bytes, but for the two lines that tell when.
func TestTheSameStateMakesTheSameLines(t *testing.T) {
	t.Parallel()
	first, seal := written(t, heads(), at)
	if again, _ := written(t, heads(), at); again != first {
		t.Errorf("got another file for the same state and moment:\n%s\n%s", again, first)
	}
	backwards := sums()
	slices.Reverse(backwards)
	if again, _ := writtenWith(t, heads(), backwards, at); again != first {
		t.Errorf("got another file for the same sums in another order:\n%s\n%s", again, first)
	}
	later, sealLater := written(t, heads(), at.Add(time.Hour))
	body, _, _ := strings.Cut(first, "billfold-checkpoint-seal")
	if laterBody, _, _ := strings.Cut(later, "billfold-checkpoint-seal"); laterBody != body || seal.Digest != sealLater.Digest {
		t.Errorf("got other lines for the same state an hour later:\n%s\n%s", laterBody, body)
	}
	if later == first {
		t.Error("got the same seal an hour later, want another")
	}
}

// TestEachChangeIsNoticed changes every byte of a checkpoint, and cuts it at
// each place.
func TestEachChangeIsNoticed(t *testing.T) {
	t.Parallel()
	file, _ := written(t, heads(), at)
	for i := range len(file) {
		for _, change := range []byte{file[i] ^ 1, '\n', '\t', '0'} {
			changed := file[:i] + string(rune(change)) + file[i+1:]
			if changed == file {
				continue
			}
			if _, _, err := read(changed, key); err == nil {
				t.Fatalf("byte %d as %q: got no error", i, change)
			}
		}
		if _, _, err := read(file[:i], key); err == nil {
			t.Fatalf("cut after %d bytes: got no error", i)
		}
	}
	lines := strings.SplitAfter(file, "\n")
	for i := range lines {
		if lines[i] == "" {
			continue
		}
		if _, _, err := read(strings.Join(slices.Delete(slices.Clone(lines), i, i+1), ""), key); err == nil {
			t.Errorf("line %d gone: got no error", i+1)
		}
		if _, _, err := read(strings.Join(slices.Insert(slices.Clone(lines), i, lines[i]), ""), key); err == nil {
			t.Errorf("line %d twice: got no error", i+1)
		}
	}
	for name, changed := range map[string]string{
		"empty": "", "more after the end": file + "x", "another version": strings.Replace(file, "\t1\n", "\t2\n", 1),
		"a line that never ends": "billfold-checkpoint\t1\n" + strings.Repeat("x", 1<<20),
	} {
		if _, _, err := read(changed, key); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestAnotherKeyIsNotBelieved(t *testing.T) {
	t.Parallel()
	file, seal := written(t, heads(), at)
	_, _, err := read(file, other)
	if err == nil || !strings.Contains(err.Error(), seal.KeyID) ||
		!strings.Contains(err.Error(), checkpoint.KeyID(public(other))) {
		t.Errorf("another key: got %v, want an error with both ids", err)
	}
	renamed := strings.ReplaceAll(file, seal.KeyID, checkpoint.KeyID(public(other)))
	if _, _, err := read(renamed, other); err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("another key under its own name: got %v, want an error about the signature", err)
	}
}

func TestAWriterRefusesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	good := heads()
	for name, wrong := range map[string][]verify.Head{
		"twice":          {good[0], good[0]},
		"out of order":   {good[1], good[0]},
		"a tab in an id": {{BusinessID: "bus_a", Mode: "test", CustomerID: "cus\t1"}},
		"a line break":   {{BusinessID: "bus_a", Mode: "test", CustomerID: "cus\n1"}},
		"no business":    {{Mode: "test", CustomerID: "cus_1"}},
	} {
		w := checkpoint.NewWriter(&bytes.Buffer{})
		var err error
		for _, head := range wrong {
			err = errors.Join(err, w.Head(head))
		}
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// What the reader of heads refuses ends the reading.
func TestARefusalEndsTheReading(t *testing.T) {
	t.Parallel()
	file, _ := written(t, heads(), at)
	want := errors.New("enough")
	calls := 0
	_, err := checkpoint.Read(strings.NewReader(file), public(key), func(verify.Head) error {
		calls++
		return fmt.Errorf("looked: %w", want)
	})
	if !errors.Is(err, want) || calls != 1 {
		t.Errorf("got %v after %d calls, want %v after 1", err, calls, want)
	}
}
