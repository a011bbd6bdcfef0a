package policy

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
)

func TestSafeMethod(t *testing.T) {
	for method, want := range map[string]bool{
		"GET": true, "HEAD": true, "OPTIONS": true, "TRACE": true, "PROPFIND": true, "REPORT": true, "SEARCH": true, "QUERY": true,
		"POST": false, "PUT": false, "DELETE": false, "PATCH": false, "CONNECT": false, "PURGE": false, "get": false, "": false, "FOO": false,
	} {
		if got := SafeMethod(method); got != want {
			t.Errorf("RFC 9110 §9.2.1, %q: %v", method, got)
		}
	}
}

func TestNonError(t *testing.T) {
	for status := range 1000 {
		if got, want := NonError(status), status/100 == 2 || status/100 == 3; got != want {
			t.Errorf("§4.4, %d: %v", status, got)
		}
	}
}

func TestInvalidationTargets(t *testing.T) {
	const target = "http://shop.example/a/b?c=d"
	tests := map[string]struct {
		target string
		fields []string
		want   []string
	}{
		"nothing":                       {target, nil, nil},
		"Location":                      {target, []string{"Location: /x"}, []string{"http://shop.example/x"}},
		"Content-Location":              {target, []string{"Content-Location: x?y"}, []string{"http://shop.example/a/x?y"}},
		"both":                          {target, []string{"Location: /x", "Content-Location: /y"}, []string{"http://shop.example/x", "http://shop.example/y"}},
		"both the same":                 {target, []string{"Location: /x", "Content-Location: http://shop.example/x"}, []string{"http://shop.example/x"}},
		"two lines":                     {target, []string{"Location: /x", "Location: /y"}, []string{"http://shop.example/x", "http://shop.example/y"}},
		"absolute":                      {target, []string{"Location: http://shop.example/x"}, []string{"http://shop.example/x"}},
		"host in another case":          {target, []string{"Location: http://SHOP.example/x"}, []string{"http://SHOP.example/x"}},
		"the default port":              {target, []string{"Location: http://shop.example:80/x"}, []string{"http://shop.example:80/x"}},
		"the default port, secure":      {"https://shop.example:443/", []string{"Location: https://shop.example/x"}, []string{"https://shop.example/x"}},
		"a fragment":                    {target, []string{"Location: /x#y"}, []string{"http://shop.example/x"}},
		"dots":                          {target, []string{"Location: ../../x/./y"}, []string{"http://shop.example/x/y"}},
		"the target itself":             {target, []string{"Location: ?c=d"}, nil},
		"another host":                  {target, []string{"Location: http://other.example/x"}, nil},
		"another host, no scheme":       {target, []string{"Location: //other.example/x"}, nil},
		"another port":                  {target, []string{"Location: http://shop.example:8080/x"}, nil},
		"another scheme":                {target, []string{"Location: https://shop.example/x"}, nil},
		"another scheme, one port":      {target, []string{"Location: https://shop.example:80/x"}, nil},
		"a scheme without default port": {"ftp://shop.example/", []string{"Location: /x"}, []string{"ftp://shop.example/x"}},
		"no host":                       {target, []string{"Location: mailto:a@shop.example"}, nil},
		"invalid":                       {target, []string{"Location: http://[::1/x"}, nil},
		"empty":                         {target, []string{"Location: "}, nil},
		"the host in the user":          {target, []string{"Location: http://shop.example@other.example/x"}, nil},
		"a user":                        {target, []string{"Location: http://me@shop.example/x"}, []string{"http://shop.example/x"}},
		"a target that is not absolute": {"/a", []string{"Location: /x"}, nil},
	}
	for name, test := range tests {
		t.Run("§4.4 "+name, func(t *testing.T) {
			u, err := url.Parse(test.target)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, found := range InvalidationTargets(u, header(test.fields...)) {
				got = append(got, found.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// FuzzInvalidationTargets holds that no reference leads to another origin, and that what is found is a URI as it stands.
func FuzzInvalidationTargets(f *testing.F) {
	for _, reference := range []string{"/a", "../b?c#d", "//x/y", "http:b", "http://H:80/a", "http://u:p@h/a", `\\h`, "/a%2Fb", "/%2e%2e/a"} {
		f.Add("http://h/x/y?z", reference)
	}
	f.Fuzz(func(t *testing.T, target, reference string) {
		u, err := url.Parse(target)
		if err != nil {
			return
		}
		for _, found := range InvalidationTargets(u, http.Header{"Location": {reference}}) {
			again, err := url.Parse(found.String())
			if err != nil || again.String() != found.String() || !sameOrigin(u, again) || again.User != nil || again.Fragment != "" {
				t.Errorf("%q from %q is %q, read again %#v, %v", reference, target, found, again, err)
			}
		}
	})
}
