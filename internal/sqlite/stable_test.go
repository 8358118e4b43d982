package sqlite

import (
	"reflect"
	"testing"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"
)

// plannedAgain is how often a statement was planned after it was prepared.
func plannedAgain(stmt *sqlite.Stmt) int32 {
	s := reflect.ValueOf(stmt).Elem()
	handle := *(*uintptr)(unsafe.Pointer(s.FieldByName("stmt").UnsafeAddr()))
	tls := *(**libc.TLS)(unsafe.Pointer(s.FieldByName("conn").Elem().FieldByName("tls").UnsafeAddr()))
	return lib.Xsqlite3_stmt_status(tls, handle, lib.SQLITE_STMTSTATUS_REPREPARE, 0)
}

// A statement that joins and orders is planned once, by the writer and by readers.
func TestStatementsArePlannedOnce(t *testing.T) {
	t.Parallel()
	db := newBatches(t, t.TempDir())
	db.createCustomers(t, 1, 1)
	count := func(conn *sqlite.Conn) error {
		const query = objectsOfAll + `
		   where o.kind = ? and o.due_at > 0 and o.due_at <= ? and c.clock_at = 0
		   order by o.due_at, o.id limit ?`
		var stmt *sqlite.Stmt
		for i := range int64(3) {
			var err error
			if stmt, err = conn.Prepare(query); err != nil {
				return err
			}
			stmt.BindInt64(1, i)
			stmt.BindInt64(2, i)
			stmt.BindInt64(3, i)
			if _, err := stmt.Step(); err != nil {
				return err
			}
			if err := stmt.Reset(); err != nil {
				return err
			}
		}
		if n := plannedAgain(stmt); n != 0 {
			t.Errorf("got a statement planned %d times more, want it planned once", n)
		}
		return nil
	}
	if err := db.read(t.Context(), count); err != nil {
		t.Error(err)
	}
	if err := db.write(t.Context(), count); err != nil {
		t.Error(err)
	}
}
