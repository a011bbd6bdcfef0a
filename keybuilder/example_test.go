package keybuilder_test

import (
	"database/sql"
	"fmt"
	"reflect"
	"time"

	"github.com/larderhq/larder/keybuilder"
)

func ExampleNew() {
	b := keybuilder.New("myapi-cache")
	fmt.Println(b.Key("main.data"))
	// Output: myapi-cache:main.data() <nil>
}

func ExampleBuilder_Key() {
	var db *sql.DB // ignored, like all that lives as long as the process or a request
	b := keybuilder.New("myapi-cache")
	fmt.Println(b.Key("api.get_user", keybuilder.Param{Name: "id", Value: 1}, keybuilder.Param{Name: "db", Value: db}))
	// Output: myapi-cache:api.get_user(id=1) <nil>
}

// GameDate is a parameter of the program's own type: its String is what the key shows.
type GameDate time.Time

func (d GameDate) String() string { return time.Time(d).Format(time.DateOnly) }

func ExampleBuilder_Key_customType() {
	day := GameDate(time.Date(2019, time.May, 9, 0, 0, 0, 0, time.UTC))
	fmt.Println(keybuilder.New("myapi-cache").Key("scoreboard", keybuilder.Param{Name: "game_date", Value: day}))
	// Output: myapi-cache:scoreboard(game_date=2019-05-09) <nil>
}

func ExampleBuilder_Key_nested() {
	filter := struct {
		Teams []string
		Limit int
	}{[]string{"NYY", "Boston, MA"}, 20}
	fmt.Println(keybuilder.New("myapi-cache").Key("games", keybuilder.Param{Name: "filter", Value: filter}))
	// Output: myapi-cache:games(filter=(Teams=(NYY,Boston%2C%20MA),Limit=20)) <nil>
}

// A pointer would make another key in every process, and a miss of every request.
func ExampleBuilder_Key_refused() {
	type user struct{ ID int }
	_, err := keybuilder.New("myapi-cache").Key("api.get_user", keybuilder.Param{Name: "user", Value: &user{1}})
	fmt.Println(err)
	// Output: keybuilder: parameter "user" of type *keybuilder_test.user: value has no lasting text: *keybuilder_test.user is an address
}

type tenantDB interface{ Tenant() string }

type database struct{}

func (*database) Tenant() string { return "shop" }

func ExampleNew_ignore() {
	b := keybuilder.New("myapi-cache", reflect.TypeFor[tenantDB]())
	fmt.Println(b.Key("api.get_user", keybuilder.Param{Name: "id", Value: 1}, keybuilder.Param{Name: "db", Value: &database{}}))
	// Output: myapi-cache:api.get_user(id=1) <nil>
}

func ExampleBuilder_AppendParam() {
	var b keybuilder.Builder
	buf := make([]byte, 0, 256)
	buf = append(keybuilder.AppendName(buf, "main.search"), '(')
	buf, _, err := b.AppendParam(buf, keybuilder.Param{Name: "q", Value: "home runs"})
	fmt.Println(string(append(buf, ')')), err)
	// Output: main.search(q=home%20runs) <nil>
}
