package collect

import (
	"context"

	"github.com/billfold/billfold/internal/ledger"
)

// DueKinds are the kinds of objects about which something can be due.
var DueKinds = dueKinds

// GoOnAbout does what is to be done about an object.
func (c *Collector) GoOnAbout(ctx context.Context, object *ledger.Object) error {
	return c.goOn(ctx, object)
}
