package sqlite

import (
	"fmt"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"
)

// keepPlans has connections that are opened from now on plan a statement once, whatever
// its parameters are. SQLite otherwise looks at the parameters of a statement that joins
// or orders when it chooses indexes, and so plans it again at each use, which takes
// longer than to carry it out. The driver has no call for that; an extension which SQLite
// runs on each connection is told its handle. To be asked for it again changes nothing.
func keepPlans() error {
	tls := libc.NewTLS()
	defer tls.Close()
	// A function is handed to SQLite as the driver does it: by the address of its value.
	extension := *(*uintptr)(unsafe.Pointer(&struct {
		f func(tls *libc.TLS, conn, message, routines uintptr) int32
	}{keepPlansOf}))
	if code := sqlite.ResultCode(lib.Xsqlite3_auto_extension(tls, extension)); code != sqlite.ResultOK {
		return fmt.Errorf("have statements planned once: %w", code.ToError())
	}
	return nil
}

func keepPlansOf(tls *libc.TLS, conn, _, _ uintptr) int32 {
	args := libc.NewVaList(int32(1), uintptr(0))
	if args == 0 {
		return lib.SQLITE_NOMEM
	}
	defer libc.Xfree(tls, args)
	return lib.Xsqlite3_db_config(tls, conn, lib.SQLITE_DBCONFIG_ENABLE_QPSG, args)
}
