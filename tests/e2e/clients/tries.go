// Tries Go's net/http against a server, as tries.py does: go run tries.go URL
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
)

var (
	url     string
	small   = []byte(`{"rows":[` + strings.Repeat("1,", 2000) + "1]}")
	large   = []byte(`{"rows":[` + strings.Repeat(`"some text",`, 60000) + "1]}")
	refused = bytes.Repeat([]byte(" "), 40<<20)
)

type reply struct {
	status int
	header http.Header
	body   []byte
}

// headers: name, value, name, value …
func ask(method, path string, body io.Reader, headers ...string) (reply, error) {
	request, err := http.NewRequest(method, url+path, body)
	if err != nil {
		return reply{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	got, err := http.DefaultClient.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	return reply{got.StatusCode, got.Header, text}, err
}

func put(path string, body io.Reader, headers ...string) (reply, error) {
	return ask("PUT", path, body, append(headers, "Content-Type", "application/json")...)
}

func status(want int, body []byte) func(reply, error) error {
	return func(got reply, err error) error {
		if err == nil && got.status != want {
			err = fmt.Errorf("status %d, not %d", got.status, want)
		}
		if err == nil && body != nil && !bytes.Equal(got.body, body) {
			err = fmt.Errorf("another body")
		}
		return err
	}
}

func conditional() error {
	got, err := ask("GET", "/a", nil)
	if err != nil {
		return err
	}
	etag := got.header.Get("ETag")
	if err = status(304, nil)(ask("GET", "/a", nil, "If-None-Match", etag)); err != nil {
		return err
	}
	if err = status(200, nil)(put("/a", bytes.NewReader(small), "If-Match", etag)); err != nil {
		return err
	}
	return status(412, nil)(put("/a", bytes.NewReader(small), "If-Match", etag))
}

func zipped() error {
	var packed bytes.Buffer
	out := gzip.NewWriter(&packed)
	out.Write(small)
	out.Close()
	if err := status(201, nil)(put("/gzip", &packed, "Content-Encoding", "gzip")); err != nil {
		return err
	}
	return status(200, small)(ask("GET", "/gzip", nil)) // Go asks for gzip, and expands it
}

// A reader whose length Go does not know: sent in chunks.
type unknown struct{ io.Reader }

func main() {
	url = os.Args[1]
	tries := []struct {
		what string
		run  func() error
	}{
		{"PUT", func() error { return status(201, nil)(put("/a", strings.NewReader(`{"n":1}`))) }},
		{"GET", func() error { return status(200, []byte(`{"n":1}`))(ask("GET", "/a", nil)) }},
		{"HEAD", func() error { return status(200, nil)(ask("HEAD", "/a", nil)) }},
		{"PATCH", func() error {
			return status(200, []byte(`{"n":1,"m":2}`))(ask("PATCH", "/a", strings.NewReader(`{"m":2}`),
				"Content-Type", "application/merge-patch+json"))
		}},
		{"POST", func() error {
			return status(201, nil)(ask("POST", "", strings.NewReader("[1]"), "Content-Type", "application/json"))
		}},
		{"conditional", conditional},
		{"large upload", func() error { return status(201, nil)(put("/large", bytes.NewReader(large))) }},
		{"large reply", func() error { return status(200, large)(ask("GET", "/large", nil)) }},
		{"chunked upload", func() error { return status(201, nil)(put("/chunked", unknown{bytes.NewReader(large)})) }},
		{"refused upload", func() error { return status(413, nil)(put("/refused", bytes.NewReader(refused))) }},
		{"after a refusal", func() error { return status(200, small)(ask("GET", "/a", nil)) }},
		{"gzip", zipped},
		{"DELETE", func() error { return status(204, nil)(ask("DELETE", "/a", nil)) }},
		{"missing", func() error { return status(404, nil)(ask("GET", "/a", nil)) }},
	}
	found := map[string]string{}
	for _, one := range tries {
		if err := one.run(); err != nil {
			found[one.what] = err.Error()
		} else {
			found[one.what] = "ok"
		}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"version": runtime.Version(), "tries": found})
}
