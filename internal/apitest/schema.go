package apitest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// An OpenAPI 3.1 schema is a JSON Schema of 2020-12, so the whole document is
// one resource of the schema compiler, and its references need no rewriting.
// Each schema is compiled once: kin-openapi's own check compiles at each use
// and falls back to a looser one when it cannot.
const documentURL = "https://openapi.invalid/document.json"

type compiler struct{ *jsonschema.Compiler }

func newCompiler(document any) (*compiler, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.RegisterFormat(&jsonschema.Format{Name: "int32", Validate: integerFormat(31)})
	c.RegisterFormat(&jsonschema.Format{Name: "int64", Validate: integerFormat(63)})
	c.AssertFormat()
	if err := c.AddResource(documentURL, document); err != nil {
		return nil, err
	}
	return &compiler{c}, nil
}

// at compiles the schema at a JSON pointer of the document.
func (c *compiler) at(pointer string) (*jsonschema.Schema, error) {
	return c.Compile(documentURL + "#" + escapeFragment(pointer))
}

// integerFormat accepts integers of a number of bits and a sign.
func integerFormat(bits uint) func(any) error {
	limit := new(big.Int).Lsh(big.NewInt(1), bits)
	return func(v any) error {
		text, isNumber := v.(json.Number)
		if !isNumber {
			return nil
		}
		n, ok := new(big.Int).SetString(text.String(), 10)
		if !ok {
			return fmt.Errorf("%s is not written as an integer", text)
		}
		if n.Cmp(limit) >= 0 || n.Cmp(new(big.Int).Neg(limit)) < 0 {
			return fmt.Errorf("%s does not fit into %d bits", text, bits+1)
		}
		return nil
	}
}

// pointer makes a JSON pointer of names.
func pointer(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// escapeFragment makes a pointer fit to follow the # of an address.
func escapeFragment(pointer string) string {
	return strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D", " ", "%20").Replace(pointer)
}

// orReference is where an object of the document stands: where its reference
// points to, or else in place.
func orReference(reference, place string) string {
	if reference != "" {
		return strings.TrimPrefix(reference, "#")
	}
	return place
}

// tighten closes every schema that lists properties and says nothing of
// others, so that a field that is not described is found.
func tighten(node any) {
	walkSchemas(node, func(schema map[string]any) {
		_, lists := schema["properties"].(map[string]any)
		_, additional := schema["additionalProperties"]
		if lists && !additional {
			schema["unevaluatedProperties"] = false
		}
	})
}

// loosenOneOf makes an anyOf of every oneOf that has both integer and number
// among its members. The published document describes metadata values so, and
// an integer, being a number too, would match both and be refused.
func loosenOneOf(node any) {
	walkSchemas(node, func(schema map[string]any) {
		members, _ := schema["oneOf"].([]any)
		types := map[any]bool{}
		for _, member := range members {
			if member, ok := member.(map[string]any); ok {
				types[member["type"]] = true
			}
		}
		if types["integer"] && types["number"] {
			schema["anyOf"] = members
			delete(schema, "oneOf")
		}
	})
}

// amounts are the members that hold money, of which the published document has 32 bits.
var amounts = []string{
	"amount", "price", "product_price", "recurring_pre_tax_amount", "refundable_amount", "settlement_amount", "settlement_tax",
	"suggested_price", "tax", "total_amount", "trial_amount",
}

// widenAmounts takes the 32 bits from amounts of money. The published document gives them
// to prices and payments, and 64 to wallets; here all reach as far as one entry does.
func widenAmounts(node any) {
	walkSchemas(node, func(schema map[string]any) {
		properties, _ := schema["properties"].(map[string]any)
		for _, name := range amounts {
			if amount, ok := properties[name].(map[string]any); ok && amount["format"] == "int32" {
				amount["format"] = "int64"
			}
		}
	})
}

// widenCountries has a country be empty. The published document wants one in every payment;
// of a top-up that is paid on a page nobody has said any until the card is entered, and
// none is made up.
func widenCountries(document any) {
	country, _ := dig(document, "components", "schemas", "CountryCodeAlpha2").(map[string]any)
	if codes, ok := country["enum"].([]any); ok {
		country["enum"] = append(codes, "")
	}
}

// walkSchemas visits every object of the document that is not an example.
func walkSchemas(node any, visit func(map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		visit(node)
		for name, child := range node {
			if name != "example" && name != "examples" {
				walkSchemas(child, visit)
			}
		}
	case []any:
		for _, child := range node {
			walkSchemas(child, visit)
		}
	}
}

// readCodes reads x-codes beside the enumeration of error codes.
func readCodes(document any) map[string]CodeFacts {
	listed, _ := dig(document, "components", "schemas", "ErrorCode", "x-codes").(map[string]any)
	codes := make(map[string]CodeFacts, len(listed))
	for code := range listed {
		status, _ := dig(listed, code, "status").(json.Number)
		n, _ := status.Int64()
		retryable, _ := dig(listed, code, "retryable").(bool)
		codes[code] = CodeFacts{Status: int(n), Retryable: retryable}
	}
	return codes
}

// dig follows names into nested objects and returns nil where one is missing.
func dig(node any, names ...string) any {
	for _, name := range names {
		object, _ := node.(map[string]any)
		node = object[name]
	}
	return node
}
