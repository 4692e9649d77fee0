// SPDX-License-Identifier: Apache-2.0
// Errors are values. Every call that runs per frame or does I/O returns result<T>.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace faceflow {

// The kind of an error. It decides the exit code of the command-line tool and the key under which a run counts it. The
// message says what happened, to what, and what to do.
enum class errc {
    invalid_argument,  // the caller passed an invalid value
    not_found,         // a file, camera, model or host does not exist
    unsupported,       // it exists, but faceflow does not handle its kind
    corrupt,           // data that cannot be decoded
    io,                // reading or writing failed
    unavailable,       // this machine lacks a device, driver or library
    out_of_memory,     // host memory, or a device pool at its cap
    timeout,           // something did not answer in time
    interrupted,       // the user or the caller asked to stop
    lost,              // the process that worked on it died
    device_lost,       // every later call of this process to the device fails; a new process may use it
    internal,          // a bug in faceflow: please report it
};

[[nodiscard]] std::string_view name(errc code) noexcept;

struct error {
    errc code = errc::internal;
    std::string message;
    // The option whose value is refused, by its name in struct options ("min_score"), so that a caller can show another
    // name for it. `message` begins with it ("min_score must be ..."). Empty: no option is at fault.
    std::string option = {};
};

template <class T>
using result = tl::expected<T, error>;

// `return fail(errc::not_found, "…");` from any function that returns a result.
[[nodiscard]] inline tl::unexpected<error> fail(errc code, std::string message) {
    return tl::unexpected<error>(error{code, std::move(message)});
}

}  // namespace faceflow
