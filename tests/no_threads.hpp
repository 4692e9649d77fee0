// SPDX-License-Identifier: Apache-2.0
// While it lives, this process cannot make a thread: the stack that each would get is larger than all addresses there are. The
// system refuses with EAGAIN, as it does at a limit of processes, which does not hold root.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>

#include <cstddef>

namespace faceflow::internal {

class no_threads {
public:
    no_threads() {
        pthread_getattr_default_np(&before_);
        pthread_attr_t huge;
        pthread_attr_init(&huge);
        pthread_attr_setstacksize(&huge, std::size_t{1} << 47);
        EXPECT_EQ(pthread_setattr_default_np(&huge), 0);
        pthread_attr_destroy(&huge);
    }
    ~no_threads() {
        pthread_setattr_default_np(&before_);
        pthread_attr_destroy(&before_);
    }
    no_threads(const no_threads&) = delete;
    no_threads& operator=(const no_threads&) = delete;

private:
    pthread_attr_t before_{};
};

}  // namespace faceflow::internal
