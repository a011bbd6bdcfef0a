// Package middleware is Larder's API: a cache for the GET responses of chi or any net/http router, in process memory or
// in Redis. Import it as larder:
//
//	import larder "github.com/larderhq/larder/middleware"
package middleware
