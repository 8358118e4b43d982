package dashboard

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed dist
var built embed.FS

// Root is the path under which the dashboard is served, and Requests the one below it
// under which the API answers what only the dashboard asks.
const (
	Root     = "/dashboard/"
	Requests = "api/"
)

// assets is where the built files with a hash in their names are: what they have never
// changes.
const assets = "assets/"

// policy lets a page load what this server has, and nothing inline or from elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// types are the kinds of files that the build makes. The tables of the machine are not
// asked: they differ.
var types = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".woff2": "font/woff2",
}

// Handler answers requests under [Root]: it is an http.Handler.
type Handler struct {
	base  string
	index *file
	files map[string]*file // by their paths below Root
}

// file is one file of the dashboard.
type file struct {
	contentType string
	bytes       []byte
	packed      func() []byte // compressed, nil where that gains nothing
}

// New returns the dashboard of a server that is reached below a path, which is empty for
// a server at the root of its host and has no slash at its end.
func New(base string) (*Handler, error) {
	return newHandler(built, base)
}

func newHandler(from fs.FS, base string) (*Handler, error) {
	h := &Handler{base: base, files: make(map[string]*file)}
	err := fs.WalkDir(from, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		kind := types[path.Ext(name)]
		if kind == "" {
			return fmt.Errorf("the dashboard has a file of a kind that it should not: %s", name)
		}
		h.files[strings.TrimPrefix(name, "dist/")] = newFile(kind, content)
		return nil
	})
	if err != nil {
		return nil, err
	}
	index := h.files["index.html"]
	if index == nil {
		return nil, errors.New("the dashboard has no page: build it with make web")
	}
	// The page is shown at any depth, so what it loads is named from the root.
	h.index = newFile(index.contentType, bytes.ReplaceAll(index.bytes, []byte(`"./`), []byte(`"`+base+Root)))
	delete(h.files, "index.html")
	return h, nil
}

func newFile(kind string, content []byte) *file {
	return &file{contentType: kind, bytes: content, packed: sync.OnceValue(func() []byte { return pack(kind, content) })}
}

// pack compresses texts as far as it goes, once: they are sent many times.
func pack(kind string, content []byte) []byte {
	media, _, err := mime.ParseMediaType(kind)
	if err != nil || media == "font/woff2" {
		return nil
	}
	var out bytes.Buffer
	writer, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := writer.Write(content); err != nil || writer.Close() != nil || out.Len() >= len(content) {
		return nil
	}
	return out.Bytes()
}

// ServeHTTP answers with a file, or with the page, which finds out for itself what its
// address shows.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "The pages of the dashboard are only read.", http.StatusMethodNotAllowed)
		return
	}
	name, below := strings.CutPrefix(r.URL.Path, Root)
	switch f := h.files[name]; {
	case !below:
		http.Redirect(w, r, h.base+Root, http.StatusSeeOther)
	case f != nil:
		if strings.HasPrefix(name, assets) {
			header.Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			header.Set("Cache-Control", "no-cache")
		}
		f.serve(w, r)
	case strings.HasPrefix(name, assets):
		header.Set("Cache-Control", "no-store")
		http.Error(w, "The dashboard has no such file.", http.StatusNotFound)
	default:
		header.Set("Cache-Control", "no-cache")
		h.index.serve(w, r)
	}
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	header, content := w.Header(), f.bytes
	header.Set("Content-Type", f.contentType)
	if packed := f.packed(); packed != nil {
		header.Set("Vary", "Accept-Encoding")
		if takesGzip(r) {
			header.Set("Content-Encoding", "gzip")
			content = packed
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // the caller is gone
	}
}

// takesGzip reports whether a caller says that it takes what is compressed so.
func takesGzip(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			name, weight = strings.TrimSpace(name), strings.ReplaceAll(weight, " ", "")
			if strings.EqualFold(name, "gzip") && !slices.Contains([]string{"q=0", "q=0.0", "q=0.00", "q=0.000"}, weight) {
				return true
			}
		}
	}
	return false
}

// WantsPage reports whether a request is that of a browser for the root of the server,
// which is to see the dashboard.
func WantsPage(r *http.Request) bool {
	return r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		slices.ContainsFunc(r.Header.Values("Accept"), func(accept string) bool {
			return strings.Contains(strings.ToLower(accept), "text/html")
		})
}
