// SPDX-License-Identifier: Apache-2.0
// Lines for people about things that may come by the thousand.
#pragma once

#include <functional>
#include <string>

namespace faceflow {

// Tells of the first ten, then that there are more. One thread.
class note_limiter {
public:
    explicit note_limiter(const std::function<void(const std::string&)>& note) : note_(note) {}

    void tell(const std::string& text) {
        if (text.empty()) return;
        if (told_ < most) note_(text);
        if (told_ == most) note_("more of the same kind is counted, and not told of; see the summary");
        ++told_;
    }

private:
    static constexpr int most = 10;
    const std::function<void(const std::string&)>& note_;
    int told_ = 0;
};

}  // namespace faceflow
