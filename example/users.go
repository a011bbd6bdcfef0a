package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// user is what the database holds of a person, as JSON under the id.
type user struct {
	Name string `json:"name"`
	Team string `json:"team"`
}

// users serves the users of an embedded database.
type users struct {
	db        *bbolt.DB
	temporary bool
}

var bucket = []byte("users")

// openUsers opens the database in file, or in a temporary file that close removes if file is "".
// A new database gets its first users.
func openUsers(file string) (*users, error) {
	temporary := file == ""
	if temporary {
		f, err := os.CreateTemp("", "larder-example-*.db")
		if err != nil {
			return nil, err
		}
		if file, err = f.Name(), f.Close(); err != nil {
			return nil, err
		}
	}
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, err
	}
	u := &users{db, temporary}
	if err := db.Update(seed); err != nil {
		return nil, errors.Join(err, u.close())
	}
	return u, nil
}

func seed(tx *bbolt.Tx) error {
	b, err := tx.CreateBucket(bucket)
	if errors.Is(err, berrors.ErrBucketExists) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(
		b.Put([]byte("1"), []byte(`{"name":"Nan Alder","team":"Mill City Owls"}`)),
		b.Put([]byte("2"), []byte(`{"name":"Sol Birch","team":"Prairie Larks"}`)),
	)
}

func (u *users) close() error {
	file, err := u.db.Path(), u.db.Close()
	if u.temporary {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// get answers GET /users/{id}.
func (u *users) get(w http.ResponseWriter, r *http.Request) {
	var found user
	err := u.db.View(func(tx *bbolt.Tx) error {
		value := tx.Bucket(bucket).Get([]byte(chi.URLParam(r, "id")))
		if value == nil {
			return errNoUser
		}
		return json.Unmarshal(value, &found)
	})
	switch {
	case errors.Is(err, errNoUser):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		writeJSON(w, found)
	}
}

var errNoUser = errors.New("no such user")

// put answers PUT /users/{id}. It returns only after the database has committed, so that what the cache fetches after the
// invalidation is new.
func (u *users) put(w http.ResponseWriter, r *http.Request) {
	var sent user
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&sent); err != nil || sent.Name == "" {
		http.Error(w, `send a user: {"name": "…", "team": "…"}`, http.StatusBadRequest)
		return
	}
	value, err := json.Marshal(sent)
	if err == nil {
		err = u.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put([]byte(chi.URLParam(r, "id")), value) })
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, sent)
}
