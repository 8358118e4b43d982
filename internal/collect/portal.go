package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// PortalAccess is the kind of object that says which sessions of the portal a customer
// has no more. A customer has one, once somebody has ended sessions.
const PortalAccess ledger.ObjectKind = "portal_access"

// portalRevoked is the one state of a [PortalAccess].
const portalRevoked = "revoked"

// portalAccess is the object as it is kept.
type portalAccess struct {
	RevokedAt time.Time `json:"revoked_at"` // no session counts that was begun by then
	By        string    `json:"by"`         // id of the API key
	Address   string    `json:"address,omitempty"`
}

func portalKey(customerID string) ledger.ObjectKey {
	return ledger.ObjectKey{Kind: PortalAccess, ID: "ptl_" + customerID}
}

// RevokePortal ends all sessions of the portal that a customer has, in the commit that
// keeps who wanted it.
func (c *Collector) RevokePortal(ctx context.Context, tenant ledger.Tenant, customerID string, by ledger.Actor) error {
	m := c.moment()
	key := portalKey(customerID)
	scope := ledger.Scope{
		Tenant: tenant, CustomerID: customerID, Currency: "USD", // it moves no money of any wallet
		At: m.Now, Objects: []ledger.ObjectKey{key},
	}
	_, err := c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet}
		next := portalAccess{RevokedAt: m.Now, By: by.KeyID, Address: by.Address}
		if object := s.Object(key); object != nil {
			before, err := portalAccessOf(object)
			if err != nil {
				return change, err
			}
			if before.RevokedAt.After(next.RevokedAt) { // another instance's clock is ahead
				next.RevokedAt = before.RevokedAt
			}
		}
		data, err := encode(next)
		if err != nil {
			return change, err
		}
		return change, change.Put(&s, ledger.Object{ObjectKey: key, State: portalRevoked, Data: string(data)}, "", "", m.Now)
	})
	return err
}

// PortalRevoked returns until when a customer's sessions were ended: those begun by then
// count no more. It is the zero time where nobody has ended any.
func (c *Collector) PortalRevoked(ctx context.Context, tenant ledger.Tenant, customerID string) (time.Time, error) {
	object, err := c.store.Object(ctx, tenant, portalKey(customerID))
	if ledger.CodeOf(err) == ledger.CodeNotFound {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	access, err := portalAccessOf(&object)
	return access.RevokedAt, err
}

func portalAccessOf(object *ledger.Object) (access portalAccess, err error) {
	if err = json.Unmarshal([]byte(object.Data), &access); err != nil {
		err = fmt.Errorf("%s %s does not decode: %w", object.Kind, object.ID, err)
	}
	return access, err
}
