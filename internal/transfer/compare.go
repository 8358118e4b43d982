package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"iter"
	"slices"
	"strings"
)

// heads are the tables that are compared row by row. The hash of a wallet's last
// entry covers all that came before it, so equal wallets over chains that verify
// are equal entries.
func heads() []*Table {
	return slices.DeleteFunc(Tables(), func(table *Table) bool { return table == Entries })
}

// StateOf returns a digest of everything that an installation holds.
func StateOf(ctx context.Context, source Reader) (state [sha256.Size]byte, err error) {
	sum := sha256.New()
	for _, table := range heads() {
		writeValue(sum, table.Name)
		for item, err := range source.Read(ctx, table, nil) {
			if err != nil {
				return state, fmt.Errorf("read %s of the source: %w", table.Name, err)
			}
			for _, value := range item.Row {
				writeValue(sum, value)
			}
		}
	}
	return [sha256.Size]byte(sum.Sum(nil)), nil
}

// writeValue adds a value to a digest so that no two lists of values are alike.
func writeValue(to hash.Hash, value any) {
	var b []byte
	switch value := value.(type) {
	case nil:
		b = []byte{0}
	case string:
		b = append(binary.AppendUvarint([]byte{1}, uint64(len(value))), value...)
	case []byte:
		b = append(binary.AppendUvarint([]byte{2}, uint64(len(value))), value...)
	case int64:
		b = binary.AppendVarint([]byte{3}, value)
	case bool:
		b = []byte{4}
		if value {
			b = []byte{5}
		}
	case []int64:
		b = binary.AppendUvarint([]byte{6}, uint64(len(value)))
		for _, n := range value {
			b = binary.AppendVarint(b, n)
		}
	}
	_, _ = to.Write(b) // a hash never fails
}

// DifferenceError says where a copy is not what its source is.
type DifferenceError struct {
	Table string
	Key   string // of the row, for people
	What  string
}

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("the copy differs from its source: table %s, row %s: %s; it is not finished and must not be used: "+
		"copy again to an empty target, and report this", e.Table, e.Key, e.What)
}

// compare finds the first difference between two installations that are read in
// the same order.
func compare(ctx context.Context, source, target Reader) error {
	for _, table := range heads() {
		if err := compareTable(ctx, table, source, target); err != nil {
			return err
		}
	}
	want, err := source.Count(ctx, Entries)
	if err != nil {
		return err
	}
	got, err := target.Count(ctx, Entries)
	if err == nil && got != want {
		err = &DifferenceError{Entries.Name, "any", fmt.Sprintf("the copy has %d of them, the source %d", got, want)}
	}
	return err
}

func compareTable(ctx context.Context, table *Table, source, target Reader) error {
	nextWant, stopWant := iter.Pull2(source.Read(ctx, table, nil))
	defer stopWant()
	nextGot, stopGot := iter.Pull2(target.Read(ctx, table, nil))
	defer stopGot()
	for {
		want, wantErr, some := nextWant()
		got, gotErr, someGot := nextGot()
		if err := errors.Join(wantErr, gotErr); err != nil {
			return fmt.Errorf("compare %s: %w", table.Name, err)
		}
		switch {
		case !some && !someGot:
			return nil
		case !some:
			return &DifferenceError{table.Name, table.keyOf(got.Row), "it is in the copy only"}
		case !someGot:
			return &DifferenceError{table.Name, table.keyOf(want.Row), "it is missing in the copy"}
		}
		for i, column := range table.Columns {
			if !equal(want.Row[i], got.Row[i]) {
				return &DifferenceError{table.Name, table.keyOf(want.Row), column.Name + " is not the same"}
			}
		}
	}
}

// keyOf names a row by its key.
func (t *Table) keyOf(row Row) string {
	parts := make([]string, len(t.Key))
	for i, name := range t.Key {
		parts[i] = fmt.Sprint(row[t.Index(name)])
	}
	return strings.Join(parts, " ")
}

func equal(a, b any) bool {
	switch a := a.(type) {
	case []byte:
		b, same := b.([]byte)
		return same && bytes.Equal(a, b)
	case []int64:
		b, same := b.([]int64)
		return same && slices.Equal(a, b) && (a == nil) == (b == nil)
	}
	switch b.(type) {
	case []byte, []int64:
		return false
	}
	return a == b
}
