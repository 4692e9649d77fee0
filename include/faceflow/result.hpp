// SPDX-License-Identifier: Apache-2.0
// Errors are values. Every call that runs per frame or touches the outside returns result<T>.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace faceflow {

// What kind of thing went wrong; decides the exit code of the command-line tool and the key under which
// a run counts the error. The message says what happened, to what, and what to do.
enum class errc {
    invalid_argument,  // the caller asked for something that makes no sense
    not_found,         // a file, camera, model or host that is not there
    unsupported,       // there, but of a kind that faceflow does not handle
    corrupt,           // bytes that do not decode
    io,                // reading or writing failed
    unavailable,       // a device, driver or library that this machine lacks
    out_of_memory,     // host memory, or a device pool at its cap
    timeout,           // something did not answer in time
    interrupted,       // the user or the caller asked to stop
    lost,              // was in work in a process that died
    device_lost,       // a device that fails every call of this process from now on; a new process may use it
    internal,          // a broken promise inside faceflow: please report it
};

[[nodiscard]] std::string_view name(errc code) noexcept;

struct error {
    errc code = errc::internal;
    std::string message;
    // The option whose value is refused, as struct options names it ("min_score"): so that who shows the message can call it
    // by another name. "min_score must be ..." begins with it; empty: the error is of no option.
    std::string option = {};
};

template <class T>
using result = tl::expected<T, error>;

// `return fail(errc::not_found, "…");` from any function that returns a result.
[[nodiscard]] inline tl::unexpected<error> fail(errc code, std::string message) {
    return tl::unexpected<error>(error{code, std::move(message)});
}

}  // namespace faceflow
