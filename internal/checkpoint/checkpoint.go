// Package checkpoint is the file that says, under a signature, where the chains
// of all customers stood at one moment.
//
// The chains of a ledger have no secret: who may write to the database can
// write a history anew, to its end, with hashes that fit. A checkpoint that is
// kept elsewhere shows it, because no other history has the same hash at the
// same position. docs/checkpoints.md describes the format.
package checkpoint

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/verify"
)

// The first word of each line, and what the first line and the sealed line say
// of the format. A file of another version begins with another line.
const (
	firstLine = "billfold-checkpoint\t1\n"
	headWord  = "head"
	sumWord   = "sum"
	sealWord  = "billfold-checkpoint-seal\t1"
	signature = "signature"
)

// lineMax is more than any line that a checkpoint has, in bytes.
const lineMax = 16 << 10

// Seal is the line that stands for a whole checkpoint.
type Seal struct {
	// At is a moment shortly before that of the state, in UTC: all that was
	// committed before it is in the checkpoint.
	At time.Time `json:"at"`

	Customers int64 `json:"customers"`

	// Entries are those of all customers, without those of the audit trails.
	Entries int64 `json:"entries"`

	// Release is the version of the program that made it, KeyID the key that
	// signed it, see [KeyID].
	Release string `json:"release"`
	KeyID   string `json:"key_id"`

	// Digest is the SHA-256 of every line before the seal, in hex.
	Digest string `json:"digest"`
}

// KeyID names a key: the first 16 hex digits of the SHA-256 of its 32 bytes.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

func (s Seal) line() string {
	return strings.Join([]string{
		sealWord, s.At.UTC().Format(time.RFC3339Nano), strconv.FormatInt(s.Customers, 10),
		strconv.FormatInt(s.Entries, 10), s.Release, s.KeyID, s.Digest,
	}, "\t") + "\n"
}

// tally is what writer and reader count along the lines.
type tally struct {
	digest    hash.Hash
	last      verify.Head
	customers int64
	entries   int64
}

func newTally() tally { return tally{digest: sha256.New()} }

// add counts a head, which must come after the one before.
func (t *tally) add(head verify.Head) error {
	if t.customers > 0 && compare(t.last, head) >= 0 {
		return fmt.Errorf("customer %s does not come after %s", head.CustomerID, t.last.CustomerID)
	}
	t.last = head
	t.customers++
	t.entries += head.Position
	return nil
}

func (t *tally) sum() string { return hex.EncodeToString(t.digest.Sum(nil)) }

func compare(a, b verify.Head) int {
	return cmp.Or(
		strings.Compare(a.CustomerID, b.CustomerID),
		strings.Compare(a.BusinessID, b.BusinessID),
		strings.Compare(a.Mode, b.Mode),
	)
}

// Writer writes a checkpoint. The same state makes the same lines; only the
// seal tells of the moment.
type Writer struct {
	tally tally
	to    *bufio.Writer
	begun bool
}

// NewWriter returns a writer to a file that is still empty.
func NewWriter(to io.Writer) *Writer {
	return &Writer{tally: newTally(), to: bufio.NewWriterSize(to, 1<<16)}
}

// Head writes where the chains of a customer stand. Customers come sorted by
// id, business and mode.
func (w *Writer) Head(head verify.Head) error {
	if err := w.tally.add(head); err != nil {
		return err
	}
	return w.write(headWord, head.BusinessID, head.Mode, head.CustomerID,
		strconv.FormatInt(head.Position, 10), hex.EncodeToString(head.Hash[:]),
		strconv.FormatInt(head.AuditPosition, 10), hex.EncodeToString(head.AuditHash[:]),
		strconv.FormatInt(head.ObjectNumber, 10), hex.EncodeToString(head.ObjectHash[:]))
}

// Seal writes the trial balance, seals all lines and signs the seal. At and
// release are those of the seal; nothing may be written afterwards.
func (w *Writer) Seal(
	sums []verify.AccountSum, at time.Time, release string, key ed25519.PrivateKey,
) (Seal, error) {
	sorted := slices.SortedFunc(slices.Values(sums), func(a, b verify.AccountSum) int {
		return cmp.Or(strings.Compare(a.BusinessID, b.BusinessID), strings.Compare(a.Mode, b.Mode),
			strings.Compare(a.Currency, b.Currency), strings.Compare(a.Account, b.Account))
	})
	for _, s := range sorted {
		if err := w.write(sumWord, s.BusinessID, s.Mode, s.Currency, s.Account, s.Sum); err != nil {
			return Seal{}, err
		}
	}
	if err := w.begin(); err != nil {
		return Seal{}, err
	}
	public, _ := key.Public().(ed25519.PublicKey)
	seal := Seal{
		At: at.UTC().Truncate(time.Microsecond), Customers: w.tally.customers, Entries: w.tally.entries,
		Release: release, KeyID: KeyID(public), Digest: w.tally.sum(),
	}
	line := seal.line()
	signed := ed25519.Sign(key, []byte(line))
	_, err := w.to.WriteString(line + signature + "\t" + base64.StdEncoding.EncodeToString(signed) + "\n")
	return seal, errors.Join(err, w.to.Flush())
}

// begin writes the first line before anything else.
func (w *Writer) begin() error {
	if w.begun {
		return nil
	}
	w.begun = true
	return w.line(firstLine)
}

func (w *Writer) write(fields ...string) error {
	for _, field := range fields {
		if field == "" || strings.ContainsFunc(field, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return fmt.Errorf("%q cannot stand in a checkpoint", field)
		}
	}
	if err := w.begin(); err != nil {
		return err
	}
	return w.line(strings.Join(fields, "\t") + "\n")
}

func (w *Writer) line(line string) error {
	_, _ = io.WriteString(w.tally.digest, line) // a hash never fails
	_, err := w.to.WriteString(line)
	return err
}

// Read reads a checkpoint to its end and returns its seal when every byte is
// as it was signed with the key. Each head is given to the function, when there
// is one, before the seal is known: nothing may come of it until Read returns
// no error, or returned none for the same file before.
func Read(from io.Reader, key ed25519.PublicKey, head func(verify.Head) error) (Seal, error) {
	r := &reader{tally: newTally(), from: bufio.NewReaderSize(from, lineMax)}
	line, err := r.line()
	if err != nil {
		return Seal{}, err
	}
	if string(line) != firstLine {
		return Seal{}, errors.New("it is no checkpoint, or one of another version")
	}
	for {
		_, _ = r.tally.digest.Write(line) // a hash never fails
		if line, err = r.line(); err != nil {
			return Seal{}, err
		}
		if bytes.HasPrefix(line, []byte(sealWord+"\t")) {
			return r.seal(string(line), key)
		}
		if bytes.HasPrefix(line, []byte(sumWord+"\t")) {
			continue
		}
		found, err := parseHead(line)
		if err == nil {
			err = r.tally.add(found)
		}
		if err != nil {
			return Seal{}, fmt.Errorf("line %d: %w", r.number, err)
		}
		if head == nil {
			continue
		}
		if err := head(found); err != nil {
			return Seal{}, err
		}
	}
}

type reader struct {
	tally  tally
	from   *bufio.Reader
	number int64 // of the line
}

// line returns the next line with its end. It is valid until the next call.
func (r *reader) line() ([]byte, error) {
	r.number++
	line, err := r.from.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("it is cut short in line %d", r.number)
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("line %d is longer than any of a checkpoint", r.number)
	}
	return line, err
}

// seal checks the last two lines against all before.
func (r *reader) seal(line string, key ed25519.PublicKey) (Seal, error) {
	fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	if len(fields) != 8 {
		return Seal{}, fmt.Errorf("line %d: the seal has %d fields, want 8", r.number, len(fields))
	}
	at, err1 := time.Parse(time.RFC3339Nano, fields[2])
	customers, err2 := number(fields[3])
	entries, err3 := number(fields[4])
	if err := errors.Join(err1, err2, err3); err != nil {
		return Seal{}, fmt.Errorf("line %d: %w", r.number, err)
	}
	seal := Seal{
		At: at, Customers: customers, Entries: entries, Release: fields[5], KeyID: fields[6], Digest: fields[7],
	}
	last, err := r.line()
	if err != nil {
		return Seal{}, err
	}
	encoded, found := strings.CutPrefix(strings.TrimSuffix(string(last), "\n"), signature+"\t")
	signed, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || !found {
		return Seal{}, fmt.Errorf("line %d is no signature", r.number)
	}
	if _, err := r.from.ReadByte(); !errors.Is(err, io.EOF) {
		return Seal{}, errors.New("something follows the signature")
	}
	switch {
	case seal.KeyID != KeyID(key):
		return Seal{}, fmt.Errorf("it was signed with key %s, not with %s", seal.KeyID, KeyID(key))
	case !ed25519.Verify(key, []byte(line), signed):
		return Seal{}, errors.New("the signature is not that of the seal: it was changed")
	case seal.Digest != r.tally.sum(), seal.Customers != r.tally.customers, seal.Entries != r.tally.entries:
		return Seal{}, errors.New("the lines are not those that were sealed: it was changed")
	}
	return seal, nil
}

func parseHead(line []byte) (head verify.Head, err error) {
	fields := strings.Split(strings.TrimSuffix(string(line), "\n"), "\t")
	if len(fields) != 10 || fields[0] != headWord {
		return head, errors.New("it is no line of a checkpoint")
	}
	head.BusinessID, head.Mode, head.CustomerID = fields[1], fields[2], fields[3]
	var err1, err2, err3 error
	head.Position, err1 = number(fields[4])
	head.AuditPosition, err2 = number(fields[6])
	head.ObjectNumber, err3 = number(fields[8])
	return head, errors.Join(err1, hash32(head.Hash[:], fields[5]), err2, hash32(head.AuditHash[:], fields[7]),
		err3, hash32(head.ObjectHash[:], fields[9]))
}

func number(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a whole number from 0 on", text)
	}
	return n, nil
}

func hash32(to []byte, text string) error {
	decoded, err := hex.DecodeString(text)
	if err != nil || len(decoded) != len(to) {
		return fmt.Errorf("%q is no hash", text)
	}
	copy(to, decoded)
	return nil
}
