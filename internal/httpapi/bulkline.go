package httpapi

import (
	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/strictjson"
)

// LineParser reads lines of a bulk as the server does, for those who want to know
// before they send them. The zero LineParser is ready; it is used by one goroutine
// at a time.
type LineParser struct {
	reader strictjson.Scanner
	call   call
}

// noSettings are those of no business in particular.
var noSettings access.Settings

// Parse returns the entry that a line of application/x-ndjson asks for, without a
// tenant, or the [ledger.Error] with which the server refuses the line whatever
// the state of the business is.
func (p *LineParser) Parse(text []byte) (ledger.PostRequest, error) {
	var request ledger.PostRequest
	err := p.reader.Start(text)
	var entry strictjson.Value
	if err == nil {
		entry, err = p.reader.Value()
	}
	if err == nil {
		err = p.reader.End()
	}
	if err != nil {
		return request, shapeError(err)
	}
	p.call.settings = &noSettings
	if err = p.call.decodeLine(entry, &request); err == nil {
		err = request.Validate()
	}
	if err == nil && !isID(request.CustomerID, "cus_") {
		err = ledger.FieldErrorf(ledger.CodeNotFound, bulkFields[bulkCustomer], "%q is no id of a customer, such as cus_…", clip(request.CustomerID))
	}
	return request, err
}
