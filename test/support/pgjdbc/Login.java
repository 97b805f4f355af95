import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;

/** Logs in by each line of its standard input: address, user and password, apart by tabs. Prints who it is then, or why not. */
class Login {
    public static void main(String[] none) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            var parts = line.split("\t");
            System.out.println(outcome(parts[0], parts[1], parts[2]));
        }
    }

    private static String outcome(String address, String user, String password) {
        try (Connection connection = DriverManager.getConnection("jdbc:postgresql://" + address, user, password);
                ResultSet row = connection.createStatement().executeQuery("select current_user")) {
            row.next();
            return "in: " + row.getString(1);
        } catch (SQLException refusal) {
            var cause = refusal.getCause();
            return "out: " + refusal.getMessage() + (cause == null ? "" : " " + cause.getMessage());
        }
    }
}
