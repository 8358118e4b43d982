package collect

import (
	"bytes"
	"encoding/json"
)

// encode is json.Marshal that writes <, > and & as they are. What is kept and told is no
// page of the web, and a text must not take six times its size.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}
