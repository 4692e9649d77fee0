// SPDX-License-Identifier: Apache-2.0
// Limits of this process, for as long as an object of these lives.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fcntl.h>

namespace faceflow::internal::test {

// UBSan makes a pipe to see whether an object can be looked at, and takes one that it cannot look at for a fault.
inline constexpr const char* no_descriptors_for_sanitizers = "sanitizers need descriptors of their own";

// Numbers of descriptors from `first_too_high` on cannot be had; those that are open stay.
class descriptor_limit {
public:
    explicit descriptor_limit(rlim_t first_too_high) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit low{first_too_high, before_.rlim_max};
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    }
    ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    descriptor_limit(const descriptor_limit&) = delete;
    descriptor_limit& operator=(const descriptor_limit&) = delete;

private:
    rlimit before_{};
};

// No descriptor more can be had.
class no_more_descriptors {
public:
    no_more_descriptors() : limit_(lowest_free()) {}

private:
    static rlim_t lowest_free() {
        const int free = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
        EXPECT_GE(free, 0);
        ::close(free);
        return static_cast<rlim_t>(free);
    }
    const descriptor_limit limit_;
};

}  // namespace faceflow::internal::test
