// A part of the addon that quiets TensorFlow. Its library logs lines about oneDNN and the processor's instructions
// while it is loaded, before it looks at TF_CPP_MIN_LOG_LEVEL. Whether a line is logged it asks Abseil's
// absl::MinLogLevel, which it finds here, since an addon comes before the libraries that it needs.

#include <cstdlib>

#include "absl/log/globals.h"

namespace absl {
ABSL_NAMESPACE_BEGIN

// 0 information, 1 warnings, 2 errors, 3 what ends the process.
LogSeverityAtLeast MinLogLevel() {
  static const LogSeverityAtLeast chosen = [] {
    const char* text = std::getenv("TF_CPP_MIN_LOG_LEVEL");
    const int level = text == nullptr || *text == '\0' ? 3 : std::atoi(text);
    return static_cast<LogSeverityAtLeast>(level < 0 ? 0 : level > 3 ? 3 : level);
  }();
  return chosen;
}

ABSL_NAMESPACE_END
}  // namespace absl
