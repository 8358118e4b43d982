package httpapi_test

import (
	"fmt"
	"slices"
	"testing"
)

// outcome is a status with the code of its body, "" when it has none.
type outcome struct {
	status int
	code   string
}

// contractRows are the rows of the error contract that this API can meet, each
// with the outcomes that the contract gives it.
var contractRows = map[string][]outcome{
	"1":   {{400, ""}},
	"2":   {{404, "NOT_FOUND"}},
	"3":   {{405, "METHOD_NOT_ALLOWED"}},
	"4":   {{431, ""}},
	"5":   {{413, "REQUEST_TOO_LARGE"}},
	"6":   {{415, "UNSUPPORTED_MEDIA_TYPE"}},
	"7":   {{415, "UNSUPPORTED_ENCODING"}},
	"8":   {{408, "REQUEST_TIMEOUT"}},
	"9":   {{401, "UNAUTHORIZED"}},
	"10":  {{401, "UNAUTHORIZED"}},
	"12":  {{403, "FORBIDDEN"}},
	"14":  {{429, "TOO_MANY_REQUESTS"}},
	"15":  {{422, "INVALID_REQUEST_BODY"}},
	"16":  {{422, "INVALID_REQUEST_BODY"}},
	"17":  {{422, "INVALID_REQUEST_BODY"}},
	"18":  {{422, "DUPLICATE_FIELD"}},
	"19":  {{422, "INVALID_REQUEST_BODY"}},
	"20":  {{422, "INVALID_ENCODING"}},
	"21":  {{422, "UNKNOWN_FIELD"}},
	"22":  {{422, "UNKNOWN_FIELD"}},
	"23":  {{422, "UNKNOWN_FIELD"}},
	"24":  {{422, "MISSING_FIELD"}},
	"25":  {{422, "MISSING_FIELD"}},
	"25a": {{422, "INVALID_REQUEST_BODY"}},
	"26":  {{422, "AMOUNT_NOT_INTEGER"}},
	"27":  {{422, "AMOUNT_NOT_INTEGER"}},
	"28":  {{422, "AMOUNT_NOT_INTEGER"}},
	"29":  {{422, "AMOUNT_NOT_POSITIVE"}},
	"30":  {{422, "AMOUNT_NOT_POSITIVE"}},
	"31":  {{422, "AMOUNT_TOO_LARGE"}},
	"32":  {{422, "AMOUNT_TOO_LARGE"}},
	"33":  {{422, "BALANCE_LIMIT_EXCEEDED"}},
	"34":  {{422, "UNSUPPORTED_CURRENCY"}},
	"35":  {{422, "UNSUPPORTED_CURRENCY"}},
	"36":  {{422, "INVALID_ENTRY_TYPE"}},
	"37":  {{422, "INVALID_REASON"}},
	"38":  {{422, "INVALID_ENCODING"}},
	"39":  {{422, "INVALID_METADATA"}, {422, "MAXIMUM_KEYS_REACHED"}},
	"40":  {{422, "INVALID_IDEMPOTENCY_KEY"}},
	"41":  {{422, "INVALID_IDEMPOTENCY_KEY"}},
	"42":  {{422, "IDEMPOTENCY_KEY_REQUIRED"}},
	"43":  {{422, "IDEMPOTENCY_KEY_REUSED"}},
	"44":  {{409, "DUPLICATE_IDEMPOTENCY_KEY"}, {200, ""}},
	"45":  {{503, "IDEMPOTENCY_IN_PROGRESS"}},
	"46":  {{422, "INVALID_EXPIRY"}},
	"47":  {{422, "EXPIRY_ON_DEBIT"}},
	"48":  {{404, "NOT_FOUND"}},
	"49":  {{404, "NOT_FOUND"}},
	"50":  {{422, "CUSTOMER_NOT_ACTIVE"}},
	"51":  {{400, "INSUFFICIENT_WALLET_FUNDS"}},
	"52":  {{400, "INSUFFICIENT_WALLET_FUNDS"}},
	"53":  {{422, "CAPTURE_EXCEEDS_HOLD"}},
	"54":  {{422, "HOLD_NOT_ACTIVE"}},
	"55":  {{404, "NOT_FOUND"}},
	"62":  {{422, "INVALID_SCHEDULE"}},
	"64":  {{422, "INVALID_QUERY_PARAMS"}},
	"65":  {{422, "INVALID_CURSOR"}},
	"66":  {{422, "INVALID_QUERY_PARAMS"}},
	"56":  {{400, "REFUND_AMOUNT_EXCEEDS_PAID_AMOUNT"}, {400, "LINE_ITEM_REFUND_AMOUNT_TOO_HIGH"}},
	"57":  {{400, "PAYMENT_ALREADY_REFUNDED"}},
	"59":  {{400, "PAYMENT_NOT_SUCCEEDED"}},
	"60":  {{422, "PREVIOUS_PAYMENT_PENDING"}},
	"63":  {{422, "INVALID_REQUEST_PARAMETERS"}},
	"61":  {{422, "REQUEST_AMOUNT_BELOW_MINIMUM"}},
	"67":  {{422, "INVALID_WEBHOOK_URL"}},
	"82":  {{422, "TOP_UP_LIMIT"}},
	"68":  {{422, "LIMIT_REACHED"}},
	"72":  {{400, "INSUFFICIENT_WALLET_FUNDS"}, {422, "AMOUNT_NOT_INTEGER"}, {422, "INVALID_REQUEST_BODY"}, {422, "MISSING_FIELD"}, {404, "NOT_FOUND"}},
	"73":  {{422, "LIMIT_REACHED"}, {422, "IDEMPOTENCY_KEY_REUSED"}, {422, "INVALID_REQUEST_BODY"}},
	"74":  {{503, "STORAGE_UNAVAILABLE"}},
	"75":  {{503, "OVERLOADED"}},
	"76":  {{503, "OUTCOME_UNKNOWN"}},
	"77":  {{500, "INTERNAL_SERVER_ERROR"}},
	"79":  {{422, "REVERSAL_EXCEEDS_ENTRY"}, {422, "REVERSAL_EXCEEDS_LOT"}, {422, "ENTRY_NOT_REVERSIBLE"}},
	"80":  {{422, "INVALID_TRANSFER"}},
	"81":  {{422, "INVALID_EXPIRY"}},
	"78":  {{412, "CONDITION_FAILED"}},
	"85":  {{422, "INVALID_EMAIL"}, {422, "INVALID_NAME"}, {422, "INVALID_PHONE_NUMBER"}},

	// Neighbours that must be accepted, and refusals that the contract has
	// beside its numbered rows.
	"=":         {{200, ""}},
	"condition": {{422, "INVALID_CONDITION"}, {422, "PARTIAL_ON_CREDIT"}},
	"category":  {{422, "INVALID_CATEGORY"}, {422, "CATEGORY_ON_DEBIT"}},
	"movable":   {{422, "EXPIRY_NOT_MOVABLE"}},
	"scope":     {{422, "INVALID_SCOPE"}},
	"reference": {{422, "INVALID_REFERENCE_OBJECT_ID"}},
	"settings":  {{422, "INVALID_SETTINGS"}, {422, "INVALID_REQUEST_BODY"}},
	"payment":   {{422, "NOT_OFFERED"}, {422, "INVALID_REQUEST_PARAMETERS"}, {422, "PRODUCT_CART_EMTPY"}, {422, "INVALID_REQUEST_BODY"}, {422, "LIMIT_REACHED"}, {422, "MISSING_FIELD"}},
	"refund": {
		{400, "LINE_ITEM_NOT_FOUND"}, {400, "LINE_ITEM_REFUND_AMOUNT_TOO_LOW"}, {400, "DUPLICATE_LINE_ITEMS_IN_REQUEST"},
		{422, "INVALID_REQUEST_PARAMETERS"}, {422, "INVALID_REQUEST_BODY"}, {422, "MISSING_FIELD"},
	},
	"subscription": {
		{422, "NOT_OFFERED"}, {422, "INVALID_REQUEST_PARAMETERS"}, {422, "INVALID_REQUEST_BODY"}, {422, "MISSING_FIELD"},
		{422, "INVALID_PRORATION_BILLING_MODE"}, {404, "NOT_FOUND"}, {404, "SCHEDULED_PLAN_CHANGE_NOT_FOUND"}, {410, "PRODUCT_IS_DELETED"},
		{422, "ON_DEMAND_PLAN_CHANGE_NOT_SUPPORTED"}, {422, "SUBSCRIPTION_INACTIVE"}, {422, "SUBSCRIPTION_NOT_ON_DEMAND"},
	},
	"archived":  {{410, "PRODUCT_IS_DELETED"}},
	"83":        {{401, "UNAUTHORIZED"}, {404, "NOT_FOUND"}},
	"invoice":   {{422, "INVOICE_NOT_OPEN"}},
	"webhook":   {{422, "INVALID_WEBHOOK"}, {422, "INVALID_REQUEST_BODY"}},
	"product":   {{422, "INVALID_PRODUCT"}, {422, "NOT_OFFERED"}, {410, "PRODUCT_IS_DELETED"}, {422, "INVALID_NAME"}},
	"threshold": {{422, "INVALID_THRESHOLDS"}, {422, "INVALID_REQUEST_BODY"}, {422, "MISSING_FIELD"}, {422, "UNSUPPORTED_CURRENCY"}},
}

// otherRows are rows that no request to this API can meet, with the reason. A
// feature that brings one of them moves it up.
var otherRows = map[string]string{
	"11": "the contract has no such row",
	"13": "keys are not bound to addresses",
	"58": "a refund does not name a currency",
	"69": "there are no processors", "70": "there are no processors", "71": "there are no processors",
	"84": "there is no dashboard",
}

// TestBadInputCoversTheContract fails when a row of the error contract is
// neither tested nor known to be out of reach.
func TestBadInputCoversTheContract(t *testing.T) {
	t.Parallel()
	tested := map[string]int{}
	for _, line := range readBadInput(t) {
		if line.row != "" {
			tested[line.row]++
		}
	}
	for _, special := range specialCases {
		tested[special.row]++
	}
	for row := range contractRows {
		if tested[row] == 0 {
			t.Errorf("row %s of the error contract has no case", row)
		}
		delete(tested, row)
	}
	for row, count := range tested {
		t.Errorf("%d cases are for row %s, which is not among the rows that this API can meet", count, row)
	}
	for n := 1; n <= 85; n++ {
		row := fmt.Sprint(n)
		if _, later := otherRows[row]; later == (contractRows[row] != nil) {
			t.Errorf("row %s must be either among the rows that the API can meet or among the others", row)
		}
	}
}

// checkRow checks an outcome against what the contract gives the row.
func checkRow(t testing.TB, row string, got outcome) {
	t.Helper()
	if !slices.Contains(contractRows[row], got) {
		t.Errorf("row %s: got %v, want one of %v", row, got, contractRows[row])
	}
}
