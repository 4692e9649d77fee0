// SPDX-License-Identifier: Apache-2.0
// For functions that return result<T>: return early with the error of another result.
//
//     FACEFLOW_TRY(check(input));                          // ignores the value
//     FACEFLOW_ASSIGN(auto stream, device.make_stream());  // declares `stream`, or assigns to an existing variable
#pragma once

#include <utility>

#include "faceflow/result.hpp"

#define FACEFLOW_CONCATENATE_(a, b) a##b
#define FACEFLOW_UNIQUE_(prefix, n) FACEFLOW_CONCATENATE_(prefix, n)

#define FACEFLOW_TRY_(name, ...)                                                                             \
    do {                                                                                                     \
        if (auto name = (__VA_ARGS__); !name) return ::tl::unexpected(std::move(name.error())); /* NOLINT */ \
    } while (false)
#define FACEFLOW_TRY(...) FACEFLOW_TRY_(FACEFLOW_UNIQUE_(try_result_, __COUNTER__), __VA_ARGS__)

#define FACEFLOW_ASSIGN_(name, target, ...)                      \
    auto name = (__VA_ARGS__);                                   \
    if (!name) return ::tl::unexpected(std::move(name.error())); \
    target = *std::move(name)
#define FACEFLOW_ASSIGN(target, ...) FACEFLOW_ASSIGN_(FACEFLOW_UNIQUE_(try_result_, __COUNTER__), target, __VA_ARGS__)
