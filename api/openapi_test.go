package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oasdiff/yaml3"

	"github.com/billfold/billfold/api"
)

var update = flag.Bool("update", false, "write openapi.json anew from openapi.yaml")

// TestJSONIsTheYAML keeps the two forms of the document equal, member by
// member and in the same order, so that what is rendered from either reads
// alike.
func TestJSONIsTheYAML(t *testing.T) {
	t.Parallel()
	var document yaml.Node
	if err := yaml.Unmarshal(api.OpenAPI, &document); err != nil {
		t.Fatalf("parse openapi.yaml: got error %v, want none", err)
	}
	var compact, want bytes.Buffer
	if err := writeJSON(&compact, document.Content[0]); err != nil {
		t.Fatalf("convert openapi.yaml: got error %v, want none", err)
	}
	if err := json.Indent(&want, compact.Bytes(), "", " "); err != nil {
		t.Fatalf("convert openapi.yaml: got error %v, want none", err)
	}
	want.WriteByte('\n')
	if *update {
		if err := os.WriteFile("openapi.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), string(api.OpenAPIJSON)); diff != "" {
		t.Errorf("openapi.json is not openapi.yaml; run go test ./api -update (-want +got):\n%s", diff)
	}
}

// writeJSON writes a node of YAML as JSON.
func writeJSON(to *bytes.Buffer, node *yaml.Node) error {
	switch node.Kind {
	case yaml.MappingNode:
		to.WriteByte('{')
		for i := 0; i < len(node.Content); i += 2 {
			if i > 0 {
				to.WriteByte(',')
			}
			to.WriteString(quote(node.Content[i].Value))
			to.WriteByte(':')
			if err := writeJSON(to, node.Content[i+1]); err != nil {
				return err
			}
		}
		to.WriteByte('}')
	case yaml.SequenceNode:
		to.WriteByte('[')
		for i, item := range node.Content {
			if i > 0 {
				to.WriteByte(',')
			}
			if err := writeJSON(to, item); err != nil {
				return err
			}
		}
		to.WriteByte(']')
	case yaml.ScalarNode:
		return writeScalar(to, node)
	default:
		return fmt.Errorf("line %d: only mappings, sequences and scalars are used here", node.Line)
	}
	return nil
}

func writeScalar(to *bytes.Buffer, node *yaml.Node) error {
	switch node.Tag {
	case "!!str":
		to.WriteString(quote(node.Value))
	case "!!null":
		to.WriteString("null")
	case "!!bool", "!!int", "!!float":
		if !json.Valid([]byte(node.Value)) {
			return fmt.Errorf("line %d: %s %q is written otherwise in JSON", node.Line, node.Tag, node.Value)
		}
		to.WriteString(node.Value)
	default:
		return fmt.Errorf("line %d: %q looks like %s; put it into quotes", node.Line, node.Value, strconv.Quote(node.Tag))
	}
	return nil
}

// quote writes a text as JSON without escaping <, > and &.
func quote(text string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		panic(err) // a string always encodes
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
