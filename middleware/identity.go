package middleware

import (
	"net/http"
	"slices"
)

// identityFields are request fields that only serve to say who asks: keys of APIs, and what proxies set that authenticate before us
// (oauth2-proxy, Authelia, Authentik, Pomerium, Cloudflare Access, the load balancers of AWS, Google and Azure, Envoy, Tailscale).
var identityFields = map[string]bool{
	"X-Api-Key": true, "Api-Key": true, "X-Auth-Token": true, "X-Access-Token": true, "Private-Token": true,
	"X-Forwarded-User": true, "X-Forwarded-Email": true, "X-Forwarded-Preferred-Username": true, "X-Forwarded-Access-Token": true,
	"X-Auth-Request-User": true, "X-Auth-Request-Email": true, "X-Auth-Request-Access-Token": true,
	"Remote-User": true, "X-Remote-User": true, "X-Webauth-User": true, "X-Authenticated-User": true, "X-Authentik-Username": true,
	"X-Pomerium-Jwt-Assertion": true, "Cf-Access-Jwt-Assertion": true, "Cf-Access-Authenticated-User-Email": true,
	"X-Amzn-Oidc-Data": true, "X-Amzn-Oidc-Identity": true, "X-Amzn-Oidc-Accesstoken": true,
	"X-Goog-Iap-Jwt-Assertion": true, "X-Goog-Authenticated-User-Email": true, "X-Goog-Authenticated-User-Id": true,
	"X-Ms-Client-Principal": true, "X-Ms-Client-Principal-Id": true, "X-Ms-Client-Principal-Name": true,
	"X-Forwarded-Client-Cert": true, "X-Ssl-Client-Cert": true, "Tailscale-User-Login": true,
}

// identify guards a request that says who asks, where what is stored is not known to be selected by that.
func (x *exchange) identify() {
	var known []string
	if v := x.rt.c.tiers.index(x.key); v != nil {
		known = v.Names
	}
	if x.guarded == "" && x.rt.identity(x.r, known...) != "" {
		x.guarded = detailIdentity
	}
}

// identity returns such a field of a request, unless it is known to select the response, or a rule of the route says whom a response is
// for. Param is no such rule, as it is none for Authorization. The field is looked for where the handler is to run only: what is not
// stored of one client is not there for another, so that a hit pays nothing.
func (rt *route) identity(r *http.Request, known ...string) string {
	if rt.fromHeaders || rt.public || rt.user != nil {
		return ""
	}
	for name := range r.Header {
		if identityFields[name] && !slices.Contains(rt.headers, name) && !slices.Contains(known, name) {
			return name
		}
	}
	return ""
}
