// Package dashboard serves the dashboard under /dashboard/: an application that runs in a
// browser and asks the API of the same server for all that it shows. Its sources are in
// web/, what is built of them is committed in dist/, so that building the program needs Go
// alone. Nothing here knows who is signed in; the API decides what anybody may see.
package dashboard
