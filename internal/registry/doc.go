// Package registry asks registries whether they take a credential, as the kubelet's container runtime would present it: GET
// /v2/, and where that is answered with a challenge, once more with the username and the password, or with a token that the
// realm of the challenge gives for them. It asks nothing else, and changes nothing.
//
// Whoever writes a credential chooses the host that is asked, and that host the realm. So:
//
//   - No redirect is followed. The credential goes to the host that it is for and to the realm which that names in its
//     challenge, and from there nowhere.
//   - Both are asked over TLS, with a certificate that is trusted, unless they are named in Options.PlainHTTP. So what has no
//     such certificate, as the API server and the addresses by which clouds tell machines their credentials, gets no request.
//   - No link-local address is connected to, whatever name it has, and a realm that is another host than the registry is neither
//     localhost nor written as an address that is private, link-local, with a zone, or the machine itself. A name may have a
//     private address: token servers of one's own do.
//   - Of what is answered, no more than 128 KiB is read, and no more than the error message of a registry is told on. It is
//     left out where it holds anything of the credential.
package registry
