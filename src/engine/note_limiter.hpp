// SPDX-License-Identifier: Apache-2.0
// Limits notes to the user about events that may come by the thousand.
#pragma once

#include <functional>
#include <string>

namespace faceflow::internal {

// Passes on the first ten, then one line that there are more. Use it from one thread.
class note_limiter {
public:
    explicit note_limiter(const std::function<void(const std::string&)>& note) : note_(note) {}

    void tell(const std::string& text) {
        if (text.empty()) return;
        if (told_ < most) note_(text);
        if (told_ == most) note_("further messages of this kind are only counted; see the summary");
        ++told_;
    }

private:
    static constexpr int most = 10;
    const std::function<void(const std::string&)>& note_;
    int told_ = 0;
};

}  // namespace faceflow::internal
