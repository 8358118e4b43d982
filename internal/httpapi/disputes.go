package httpapi

import (
	"encoding/json"
	"slices"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
)

const (
	paramDisputeStage  = "dispute_stage"
	paramDisputeStatus = "dispute_status"
)

var disputeListParams = []string{
	paramPageNumber, paramPageSize, paramCursor, paramCreatedGTE, paramCreatedLTE, paramCustomerID, paramDisputeStage,
	paramDisputeStatus,
}

// handleDispute returns one dispute.
func (s *Server) handleDispute(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id := c.params[0]
	if !isID(id, collect.DisputeIDPrefix) {
		return errNotFound
	}
	dispute, err := s.collector.FindDispute(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	customer, err := s.book.Store().Customer(c.r.Context(), c.tenant(), dispute.CustomerID)
	if err != nil {
		return err
	}
	return c.replyJSON(dispute.Face(&customer))
}

// disputeFilter reads of which stage and status disputes are asked for.
func (q *query) disputeFilter() (stage billing.DisputeStage, status billing.DisputeStatus, err error) {
	stage, status = billing.DisputeStage(q.get(paramDisputeStage)), billing.DisputeStatus(q.get(paramDisputeStatus))
	if stage != "" && !slices.Contains(billing.DisputeStages(), stage) {
		err = queryError(paramDisputeStage, "dispute_stage must be one of %v.", billing.DisputeStages())
	} else if status != "" && !slices.Contains(billing.DisputeStatuses(), status) {
		err = queryError(paramDisputeStatus, "dispute_status must be one of %v.", billing.DisputeStatuses())
	}
	return stage, status, err
}

// handleDisputeList lists disputes, newest first.
func (s *Server) handleDisputeList(c *call) error {
	q, err := c.query(disputeListParams...)
	if err != nil {
		return err
	}
	filter, err := q.invoiceFilter()
	if err != nil {
		return err
	}
	stage, status, err := q.disputeFilter()
	if err != nil {
		return err
	}
	filter.Kind = collect.Disputes
	keep := func(d *collect.Dispute) bool {
		return d.Status != "" && (stage == "" || d.Stage == stage) && (status == "" || d.Status == status)
	}
	bound := c.bound()
	page, err := s.objectPage(c, &q, bound)
	if err != nil {
		return err
	}
	var found []*collect.Dispute
	next := ""
	if filter.CustomerID == "" || isID(filter.CustomerID, "cus_") {
		err = s.inTurn(c, true, func() (err error) {
			found, next, err = findObjects(c.r.Context(), s.book.Store(), c.tenant(), filter, page, collect.DisputeOf, keep)
			return err
		})
	}
	if err != nil {
		return err
	}
	items := make([]collect.DisputeListItem, 0, len(found))
	for _, dispute := range found {
		items = append(items, dispute.ListItem())
	}
	text, err := json.Marshal(items)
	if err != nil {
		return err
	}
	out := append(append(c.scratch.out[:0], `{"items":`...), text...)
	out = append(out, `,"next_cursor":`...)
	if next == "" {
		out = append(out, "null"...)
	} else {
		out = appendString(out, s.cursors.sealText(next, bound))
	}
	return s.replyList(c, append(out, '}'))
}
